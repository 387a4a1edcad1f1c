package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/demo"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// privatePostgres are the arguments that make vitrine start a private PostgreSQL in dir, with
// the programs the tests use.
func privatePostgres(t *testing.T, dir string) []string {
	t.Helper()
	return []string{"--data-dir", dir, "--pg-bindir", pgtest.Config(dir).BinDir}
}

// TestDemo is the README's first command: a private PostgreSQL, the bundled gallery with its
// pictures, training, serving; then what a storefront would do with it.
func TestDemo(t *testing.T) {
	t.Parallel()
	args := append(privatePostgres(t, pgtest.Dir(t)), "demo")
	p := start(t, append(args, anyPort...)...)
	at := p.serving()
	s := dial(t, at.grpc)

	t.Run("a shopper gets warm and cold items on one scale", func(t *testing.T) {
		mixed := 0
		for shopper := 1; shopper <= 20; shopper++ {
			request := forUser(fmt.Sprintf("simulated-%04d", shopper))
			request.PageSize = 50
			list := s.recommend(t, request)
			if list.GetStrategy() != vitrinev1.Strategy_STRATEGY_BLEND || list.GetFallback() || list.GetFactorModel() == "" || list.GetEmbeddingSpace() == "" {
				t.Fatalf("%v, fallback %v, versions %q %q", list.GetStrategy(), list.GetFallbackReason(), list.GetEmbeddingSpace(), list.GetFactorModel())
			}
			warm, cold := 0, 0
			for _, r := range list.GetRecommendations() {
				if r.GetInteractionCount() > 0 {
					warm++
				} else {
					cold++
				}
			}
			if warm > 0 && cold > 0 {
				mixed++
			}
		}
		if mixed == 0 {
			t.Error("not one of 20 lists mixes warm and cold items")
		}
	})
	t.Run("an item registered a second ago is recommended, and a like moves the list", func(t *testing.T) {
		picture, err := os.ReadFile(filepath.Join("..", "..", "internal", "demo", "gallery", "images", demo.ExampleItem+".jpg"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.catalog.GetItem(t.Context(), &vitrinev1.GetItemRequest{ItemId: demo.ExampleItem})
		if err != nil {
			t.Fatal(err)
		}
		registered := s.register(t, &vitrinev1.Item{ItemId: "brand-new", Title: "brand new", Attributes: got.GetItem().GetAttributes(), Picture: &vitrinev1.Item_Image{Image: picture}})
		if d := registered.GetDuplicateOf(); d.GetItemId() != demo.ExampleItem || d.GetHashDistance() != 0 || d.GetMirrored() || d.GetSimilarity() < .999 {
			t.Errorf("an item with another's picture is answered as a copy of %v", d)
		}
		before := s.recommend(t, forUser("a-new-face"))
		if before.GetStrategy() != vitrinev1.Strategy_STRATEGY_POPULAR {
			t.Errorf("a stranger gets %v", before.GetStrategy())
		}
		s.record(t, "a-new-face", demo.ExampleItem, vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
		request := forUser("a-new-face")
		request.PageSize = 200
		after := s.recommend(t, request)
		if after.GetStrategy() != vitrinev1.Strategy_STRATEGY_BLEND || slices.Equal(ids(before), ids(after)[:20]) {
			t.Errorf("a like changed nothing: %v", after.GetStrategy())
		}
		at := slices.Index(ids(after), "brand-new")
		if at < 0 {
			t.Fatalf("the new item, alike to the liked one, is not among the first %d", len(after.GetRecommendations()))
		}
		if r := after.GetRecommendations()[at]; r.GetInteractionCount() != 0 || !slices.Equal(r.GetReasonItemIds(), []string{demo.ExampleItem}) {
			t.Errorf("%v", r)
		}
	})
	t.Run("health and metrics", func(t *testing.T) {
		for path, want := range map[string]string{"/healthz": "", "/readyz": "", "/metrics": "vitrine_items 401"} {
			body := fetch(t, "http://"+at.http+path)
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q: %.200s", path, want, body)
			}
		}
	})
	t.Run("import, train and serve overlap on one data directory", func(t *testing.T) {
		dir := t.TempDir()
		items, interactions := filepath.Join(dir, "items.csv"), filepath.Join(dir, "interactions.csv")
		write(t, items, "item_id,title,category\nlate-1,one,animals\nbroken\x01id,two,animals\nlate-2,three,food\n")
		write(t, interactions, "user,item,timestamp\nsimulated-0001,late-1,1767225600\nsimulated-0001,late-2,2026-01-01T00:00:00Z\nsimulated-0001,late-2,never\n")
		out, status := run(t, "--data-dir", filepath.Join(p.flag("--data-dir"), "demo"), "--json", "import", "--no-train", "--items", items, "--interactions", interactions)
		if status != faultsFound || !strings.Contains(out, `"line": 3`) {
			t.Errorf("import of a file with broken rows: status %d\n%s", status, out)
		}
		eventually(t, "serve sees what import wrote", func(ctx context.Context) error {
			_, err := s.recommender.FindSimilarItems(ctx, &vitrinev1.FindSimilarItemsRequest{ItemId: "late-2"})
			return err
		})
		if out, status := run(t, "--data-dir", filepath.Join(p.flag("--data-dir"), "demo"), "train"); status != 0 {
			t.Errorf("train beside serve: status %d\n%s", status, out)
		}
	})
	t.Run("SIGTERM ends it in order", func(t *testing.T) {
		p.signal(syscall.SIGTERM)
		if status := p.wait(); status != 0 {
			t.Errorf("status %d\n%s", status, p.out)
		}
	})
}

// flag returns the value of a flag the process was started with.
func (p *process) flag(name string) string {
	return p.cmd.Args[slices.Index(p.cmd.Args, name)+1]
}

// eventually tries until try succeeds, for as long as anything of the kind may take.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // for loaded machines
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: not in time: %v", what, err)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, response.StatusCode, " "); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<20)
	for {
		n, err := response.Body.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", url, b.String())
	}
	return b.String()
}

// An owner that is killed takes the private PostgreSQL with it; whoever is attached brings it back.
func TestServeOutlivesTheOwnerOfItsPostgres(t *testing.T) {
	t.Parallel()
	dir := pgtest.Dir(t)
	private := privatePostgres(t, dir)
	owner := start(t, append(append(slices.Clone(private), "serve"), anyPort...)...)
	first := dial(t, owner.serving().grpc)
	first.register(t, &vitrinev1.Item{ItemId: "a"})
	guest := start(t, append(append(slices.Clone(private), "serve"), anyPort...)...)
	second := dial(t, guest.serving().grpc)
	owner.signal(syscall.SIGKILL)
	owner.wait()
	// The first write may meet the fall of the server and is then refused, never lost.
	eventually(t, "a write succeeds again", func(ctx context.Context) error {
		_, err := second.recommender.RegisterItem(ctx, &vitrinev1.RegisterItemRequest{Item: &vitrinev1.Item{ItemId: "b"}})
		return err
	})
	page, err := second.catalog.ListItems(t.Context(), &vitrinev1.ListItemsRequest{})
	if err != nil || len(page.GetItems()) != 2 {
		t.Errorf("after the owner's death: %v, %v", page, err)
	}
}

func TestVersionAsJSON(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	printed, status := run(t, "--json", "version")
	var got map[string]string
	if err := json.Unmarshal([]byte(printed), &got); err != nil || status != 0 || !strings.Contains(string(out), got["go"]) {
		t.Errorf("status %d, %v: %s", status, err, printed)
	}
}
