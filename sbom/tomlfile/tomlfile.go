// Package tomlfile reads and writes TOML files, with limits on size and nesting.
// Start with [Decode].
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/baseplan/baseplan/sbom/tomlfile/keys"
)

// Limits. A file within them takes less than a second to decode.
const (
	MaxSize  = 8 << 20 // bytes
	maxDepth = 64      // tables, arrays and parts of dotted keys around a value
	maxCost  = 6_000_000
)

// Decode decodes TOML into v and ignores keys that v does not have. Errors have the
// name, and the line if it is known.
func Decode(data []byte, name string, v any) error {
	_, err := decode(data, name, v)
	return err
}

// DecodeUnknown is like [Decode] and also returns the keys that v does not have, in
// order.
func DecodeUnknown(data []byte, name string, v any) ([]string, error) {
	meta, err := decode(data, name, v)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for _, key := range meta.Undecoded() {
		unknown = append(unknown, key.String())
	}
	return unknown, nil
}

// DecodeStrict is like [Decode] for files that people write by hand: a key that v
// does not have is an error, which suggests the right key. If a table is given,
// only keys in it are checked.
func DecodeStrict(data []byte, name string, v any, table ...string) error {
	meta, err := decode(data, name, v)
	if err != nil {
		return err
	}
	for i, key := range meta.Keys() {
		if len(key) < len(table) || !slices.Equal(key[:len(table)], table) {
			continue
		}
		if err := keys.Check(reflect.TypeOf(v), "toml", key); err != nil {
			s := scanner{data: data, keep: true}
			if s.scan() == nil && i < len(s.lines) {
				return fmt.Errorf("reading %s, line %d: %w", name, s.lines[i], err)
			}
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return nil
}

func decode(data []byte, name string, v any) (toml.MetaData, error) {
	if len(data) > MaxSize {
		return toml.MetaData{}, fmt.Errorf("reading %s: larger than the limit of %d MiB", name, MaxSize>>20)
	}
	if e := (*excess)(nil); errors.As((&scanner{data: data}).scan(), &e) {
		return toml.MetaData{}, fmt.Errorf("reading %s, line %d: %w", name, e.line, e)
	}
	meta, err := toml.Decode(string(data), v)
	if err == nil {
		return meta, nil
	}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return meta, fmt.Errorf("reading %s, line %d: %s", name, parse.Position.Line, parse.Message)
	}
	// A value of a wrong type: `toml: line 3 (last key "a.b"): incompatible types:
	// ...`.
	text, found := strings.CutPrefix(err.Error(), "toml: line ")
	line, text, hasKey := strings.Cut(text, " (last key ")
	key, what, hasWhat := strings.Cut(text, "): ")
	if found && hasKey && hasWhat {
		return meta, fmt.Errorf("reading %s, line %s: key %s: %s", name, line, key, what)
	}
	return meta, fmt.Errorf("reading %s: %w", name, err)
}

// DecodeVersioned is like [Decode] for files with a version, which is stored in
// *version. If check rejects the version, DecodeVersioned returns that error and no
// other.
func DecodeVersioned(data []byte, name string, v any, version *string, check func(string) error) error {
	return versioned(Decode, data, name, v, version, check)
}

// DecodeVersionedStrict combines [DecodeVersioned] and [DecodeStrict].
func DecodeVersionedStrict(data []byte, name string, v any, version *string, check func(string) error) error {
	strict := func(data []byte, name string, v any) error { return DecodeStrict(data, name, v) }
	return versioned(strict, data, name, v, version, check)
}

func versioned(decode func([]byte, string, any) error, data []byte, name string, v any, version *string, check func(string) error) error {
	err := decode(data, name, v)
	if err != nil {
		var head struct {
			Version string `toml:"version"`
		}
		if Decode(data, name, &head) != nil {
			return err
		}
		*version = head.Version
	}
	if checkErr := check(*version); checkErr != nil {
		return fmt.Errorf("reading %s: key \"version\": %w", name, checkErr)
	}
	return err
}

// Encode returns v as TOML. The output is deterministic.
func Encode(v any, name string) ([]byte, error) {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", name, err)
	}
	return b.Bytes(), nil
}
