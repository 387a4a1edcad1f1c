package onnx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/models"
)

// Known describes a well-known public model file, so that it need not be guessed at.
type Known struct {
	Name    string     `json:"name"`
	File    string     `json:"file"`
	Bytes   int64      `json:"bytes"`
	SHA256  string     `json:"sha256"`
	Source  string     `json:"source"`
	Licence string     `json:"licence"`
	Family  string     `json:"family"`
	Rule    RuleChange `json:"rule"`
	Output  string     `json:"output,omitempty"` // tensor, as the source's own list names it; not relied on
	Dims    int        `json:"dims,omitempty"`
	Note    string     `json:"note,omitempty"`
}

// KnownFiles lists the public files that models/known describes, by name.
func KnownFiles() ([]Known, error) {
	entries, err := fs.ReadDir(models.Known, "known")
	if err != nil {
		return nil, fmt.Errorf("known models: %w", err)
	}
	var out []Known
	for _, entry := range entries {
		data, err := fs.ReadFile(models.Known, path.Join("known", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("known models: %w", err)
		}
		var k Known
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&k); err != nil {
			return nil, fmt.Errorf("known model %s: %w: %w", entry.Name(), recsys.ErrCorrupt, err)
		}
		out = append(out, k)
	}
	return out, nil
}

// knownBySum finds a file by its digest; nil if it is not known.
func knownBySum(sum string) (*Known, error) {
	known, err := KnownFiles()
	for _, k := range known {
		if k.SHA256 == sum {
			return &k, nil
		}
	}
	return nil, err
}

// under lets what the caller says go before what is known.
func (c RuleChange) under(told RuleChange) RuleChange {
	if told.Preset != "" {
		return told // another preset: nothing of the known rule holds
	}
	told.Preset = c.Preset
	if told.Size == 0 {
		told.Size = c.Size
	}
	if told.ShortSide == 0 {
		told.ShortSide = c.ShortSide
	}
	if told.Filter == "" {
		told.Filter = c.Filter
	}
	if told.Channels == "" {
		told.Channels = c.Channels
	}
	if told.Layout == "" {
		told.Layout = c.Layout
	}
	if told.Mean == nil {
		told.Mean = c.Mean
	}
	if told.Std == nil {
		told.Std = c.Std
	}
	return told
}
