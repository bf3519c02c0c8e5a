//go:build tools

package tools

// Keeps the plugin for protoc in go.mod, so that its version is pinned with that of the library.
import _ "google.golang.org/protobuf/cmd/protoc-gen-go"
