package tomlfile

import (
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A Rest holds the keys of a file that its struct does not have. Phases of
// different lifecycles may rewrite the same file, so each keeps the keys of others.
type Rest map[string]any

// elements are the unknown keys in the elements of an array; nil for an element
// without unknown keys.
type elements []any

// DecodeRest is like [Decode] and also returns the keys that v does not have. free
// reports whether a key is below a field that accepts anything, such as one of type
// any; such keys are not returned.
func DecodeRest(data []byte, name string, v any, free func(key []string) bool) (Rest, error) {
	meta, err := decode(data, name, v)
	if err != nil {
		return nil, err
	}
	return restOf(data, meta, free), nil
}

func restOf(data []byte, meta toml.MetaData, free func([]string) bool) Rest {
	undecoded := map[string]bool{}
	for _, key := range meta.Undecoded() {
		if !free(key) {
			undecoded[join(key)] = true
		}
	}
	if len(undecoded) == 0 {
		return nil
	}
	var raw map[string]any
	if err := toml.Unmarshal(data, &raw); err != nil {
		return nil // unreachable: it was decoded before
	}
	found, _ := pick(raw, nil, undecoded).(map[string]any)
	return found
}

func join(key toml.Key) string { return strings.Join(key, "\x00") }

// pick returns the undecoded keys of a value, or nil.
func pick(value any, at toml.Key, undecoded map[string]bool) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range value {
			key := append(slices.Clone(at), k)
			if undecoded[join(key)] {
				out[k] = tables(v)
			} else if below := pick(v, key, undecoded); below != nil {
				out[k] = below
			}
		}
		if len(out) > 0 {
			return out
		}
	case []map[string]any:
		out, found := make(elements, len(value)), false
		for i, v := range value {
			out[i] = pick(v, at, undecoded)
			found = found || out[i] != nil
		}
		if found {
			return out
		}
	}
	return nil
}

// tables converts an array of inline tables to an array of tables, the form that
// the encoder writes and the decoder reads.
func tables(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = tables(value)
		}
	case []map[string]any:
		for _, table := range v {
			tables(table)
		}
	case []any:
		var all []map[string]any
		for i, element := range v {
			v[i] = tables(element)
			if table, ok := v[i].(map[string]any); ok {
				all = append(all, table)
			}
		}
		if len(all) > 0 && len(all) == len(v) {
			return all
		}
	}
	return v
}

// EncodeWith is like [Encode] and adds the keys of rest.
func EncodeWith(v any, name string, rest Rest) ([]byte, error) {
	data, err := Encode(v, name)
	if err != nil || len(rest) == 0 {
		return data, err
	}
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	merge(all, rest)
	return Encode(all, name)
}

// merge adds unknown keys. Existing keys win. If the length of an array has
// changed, its elements are not matched.
func merge(known, unknown map[string]any) {
	for key, value := range unknown {
		have, there := known[key]
		switch value := value.(type) {
		case elements:
			tables, _ := have.([]map[string]any)
			for i, element := range value {
				if e, ok := element.(map[string]any); ok && len(tables) == len(value) {
					merge(tables[i], e)
				}
			}
		case map[string]any:
			if table, ok := have.(map[string]any); ok {
				merge(table, value)
			} else if !there {
				known[key] = value
			}
		default:
			if !there {
				known[key] = value
			}
		}
	}
}

// Take removes a value and returns it, or nil. The path consists of keys and
// indices of elements. Containers that become empty are removed too.
func (r Rest) Take(way ...any) any {
	taken, _ := takeFrom(map[string]any(r), way)
	return taken
}

// takeFrom also reports whether v is empty afterwards.
func takeFrom(v any, way []any) (taken any, empty bool) {
	switch v := v.(type) {
	case map[string]any:
		key, _ := way[0].(string)
		below, there := v[key]
		if !there {
			return nil, false
		}
		gone := len(way) == 1
		if taken = below; !gone {
			taken, gone = takeFrom(below, way[1:])
		}
		if gone {
			delete(v, key)
		}
		return taken, len(v) == 0
	case elements:
		i, _ := way[0].(int)
		if i >= len(v) || v[i] == nil || len(way) == 1 {
			return nil, false
		}
		taken, gone := takeFrom(v[i], way[1:])
		if gone {
			v[i] = nil
		}
		return taken, !slices.ContainsFunc(v, func(e any) bool { return e != nil })
	}
	return nil, false
}
