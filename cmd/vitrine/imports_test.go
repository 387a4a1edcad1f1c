package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed-473295a7/vitrine/"

// mayImport is the architecture as docs/architecture.md draws it: what each package may import
// of the project. A package that is not listed fails the test, so that the table stays whole.
var mayImport = map[string][]string{
	"proto/vitrine/v1": {},
	"migrations":       {},
	"models":           {},

	"internal/recsys":         {},
	"internal/vecmath":        {},
	"internal/imageprep":      {"recsys", "vecmath", "imageprep/turbo"},
	"internal/space":          {"recsys", "vecmath"},
	"internal/als":            {"recsys", "vecmath"},
	"internal/ann":            {"recsys", "vecmath"},
	"internal/filter":         {"recsys", "vecmath"},
	"internal/rank":           {"recsys", "vecmath"},
	"internal/evaluate":       {"recsys", "vecmath", "imageprep", "space", "als", "ann", "filter", "rank"},
	"internal/onnx":           {"recsys", "imageprep", "models"},
	"internal/onnx/onnxpb":    {},
	"internal/onnx/graph":     {"recsys", "onnx/onnxpb"},
	"internal/onnx/wordpiece": {"recsys"},
	"internal/atlas":          {"recsys", "vecmath", "space", "evaluate"},
	"internal/engine":         {"recsys", "vecmath", "space", "als", "ann", "filter", "rank", "imageprep"},
	"internal/postgres":       {"recsys", "engine", "migrations"},
	"internal/localpg":        {},
	"internal/pgtest":         {"postgres", "localpg", "migrations"},
	"internal/trial":          {"recsys", "vecmath", "engine", "evaluate", "ingest", "atlas", "space", "imageprep"},
	"internal/jobs":           {"recsys", "engine", "evaluate", "atlas", "trial", "space", "als", "ann"},
	"internal/ingest":         {"recsys", "engine"},
	"internal/export":         {"recsys", "engine"},
	"internal/demo":           {"recsys", "ingest", "engine"},
	"internal/server":         {"recsys", "engine", "proto/vitrine/v1"},

	"internal/imageprep/turbo": {},
}

// onlyIn confines libraries to the packages that wrap them.
var onlyIn = map[string][]string{
	"github.com/jackc/pgx":              {"internal/postgres", "internal/localpg"},
	"github.com/yalue/onnxruntime_go":   {"internal/onnx"},
	"google.golang.org/grpc":            {"internal/server", "proto/vitrine/v1", "cmd/vitrine"},
	"github.com/coder/hnsw":             {"internal/ann"},
	"cel.dev/cel-go":                    {"internal/filter"},
	"github.com/RoaringBitmap/roaring":  {"internal/filter"},
	"github.com/pressly/goose":          {"internal/postgres"},
	"github.com/parquet-go/parquet-go":  {"internal/export"},
	"google.golang.org/protobuf":        {"internal/server", "proto/vitrine/v1", "internal/onnx/onnxpb", "internal/onnx/graph"},
	"buf.build/go/protovalidate":        {"internal/server"},
	"github.com/fergusstrange/embedded": {"internal/localpg"},
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	checked := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != root && entry.Name() != ".." {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		checked++
		checkFile(t, root, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 20 {
		t.Fatalf("only %d files found below %s: the test looks in the wrong place", checked, root)
	}
}

func checkFile(t *testing.T, root, file string) {
	rel, err := filepath.Rel(root, file)
	if err != nil {
		t.Fatal(err)
	}
	pkg := path.Dir(filepath.ToSlash(rel))
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	test := strings.HasSuffix(file, "_test.go")
	for _, spec := range parsed.Imports {
		checkImport(t, pkg, rel, strings.Trim(spec.Path.Value, `"`), test)
	}
}

func checkImport(t *testing.T, pkg, file, imported string, test bool) {
	outer := strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "bench/")
	if ours, ok := strings.CutPrefix(imported, module); ok {
		if outer || test || ours == pkg || strings.HasPrefix(ours, pkg+"/") {
			return
		}
		allowed, listed := mayImport[pkg]
		if !listed {
			t.Errorf("%s: package %s is missing from the table of import rules", file, pkg)
		} else if !slices.Contains(allowed, strings.TrimPrefix(ours, "internal/")) {
			t.Errorf("%s: %s must not import %s", file, pkg, ours)
		}
		return
	}
	for library, homes := range onlyIn {
		if strings.HasPrefix(imported, library) && !test && !strings.HasPrefix(pkg, "bench/") && !slices.Contains(homes, pkg) {
			t.Errorf("%s: %s is for %v only", file, imported, homes)
		}
	}
}

// TestOnlyCommandsReadTheEnvironment keeps flags and environment in cmd and bench; pgtest, for
// tests, reads DATABASE_URL.
func TestOnlyCommandsReadTheEnvironment(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(filepath.Join("..", "..", "internal"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "pgtest") {
			return err
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "flag.Parse("} {
			if strings.Contains(string(source), call) {
				t.Errorf("%s calls %s…): only cmd reads flags and environment", file, call)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
