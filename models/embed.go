// Package models carries the encoders that are built into the binary: one JSON manifest for
// each and the default encoder's ONNX file.
//
// It interprets nothing: package onnx reads manifests, checks the ONNX file against the
// SHA-256 they name and runs it. README.md tells where the files come from.
package models

import "embed"

// Files holds the manifests and the ONNX files they name, in one flat folder.
//
//go:embed *.json *.onnx LICENSE.*
var Files embed.FS

// Known holds one JSON description for each well-known public model file, in the folder known:
// size, digest, licence and input rule, not the file itself.
//
//go:embed known/*.json
var Known embed.FS

// DefaultManifest names the manifest in Files of the encoder used unless told otherwise.
const DefaultManifest = "effnet_lite0.json"
