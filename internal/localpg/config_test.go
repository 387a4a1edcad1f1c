package localpg

import (
	"slices"
	"strings"
	"testing"
)

func TestDefaultConfigNeedsOnlyADirectory(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "Dir") {
		t.Errorf("without a directory: %v", err)
	}
	cfg.Dir = "d"
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()
	cfg := Config{
		Dir: "a\x00b", Database: strings.Repeat("x", 64),
		Settings: map[string]string{"port": "1", "Bad Name": "1", "work_mem": "\x00", "jit": "on"},
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, fault := range []string{"Dir", "Database", "StartTimeout", "StopTimeout", `"port"`, `"Bad Name"`, `"work_mem"`} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%s is not named in: %v", fault, err)
		}
	}
	if strings.Contains(err.Error(), "jit") {
		t.Errorf("a good setting is named in: %v", err)
	}
	if _, err := Start(t.Context(), cfg); err == nil {
		t.Error("Start took it")
	}
}

func TestSettingsOverrideTheTunedOnes(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Settings = map[string]string{"fsync": "off", "work_mem": "8MB"}
	args := cfg.arguments()
	for _, want := range []string{"fsync=off", "work_mem=8MB", "synchronous_commit=on"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is not among %v", want, args)
		}
	}
	if slices.Contains(args, "fsync=on") {
		t.Errorf("both values of fsync are among %v", args)
	}
}
