package platform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// A LayerRef is a layer's diff ID; empty: no layer.
type LayerRef struct {
	SHA string `json:"sha" toml:"sha"`
}

// A Layer is a layer of a buildpack: its diff ID and the content of <layer>.toml.
type Layer struct {
	LayerRef
	Data   any  `json:"data" toml:"metadata,omitempty"` // the table "metadata" of <layer>.toml
	Build  bool `json:"build" toml:"build"`
	Launch bool `json:"launch" toml:"launch"`
	Cache  bool `json:"cache" toml:"cache"`
}

// MarshalJSON encodes whole floats with a decimal point, so that they stay floats.
func (l Layer) MarshalJSON() ([]byte, error) {
	type plain Layer
	l.Data = jsonNumbers(l.Data)
	return json.Marshal(plain(l))
}

// UnmarshalJSON keeps whole numbers as integers, for TOML.
func (l *Layer) UnmarshalJSON(data []byte) error {
	type plain Layer
	return unmarshalNumbers(data, (*plain)(l), func() { l.Data = plainNumbers(l.Data) })
}

// BuildpackLayers are the layers of one buildpack in an app image.
type BuildpackLayers struct {
	Key     string           `json:"key" toml:"key"` // the buildpack's ID
	Version string           `json:"version" toml:"version"`
	Layers  map[string]Layer `json:"layers" toml:"layers"`
	Store   *Store           `json:"store,omitempty" toml:"store,omitempty"`
}

// A Store is store.toml, a buildpack's persistent metadata (buildpack.md, "store.toml").
type Store struct {
	Data map[string]any `json:"metadata" toml:"metadata"`
}

// MarshalJSON encodes whole floats with a decimal point, so that they stay floats.
func (s Store) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": jsonNumbers(s.Data)})
}

// UnmarshalJSON keeps whole numbers as integers, for TOML.
func (s *Store) UnmarshalJSON(data []byte) error {
	type plain Store
	return unmarshalNumbers(data, (*plain)(s), func() { plainNumbers(s.Data) })
}

// An AppMetadata is the label io.buildpacks.lifecycle.metadata of an app image and the table
// "metadata" of analyzed.toml.
type AppMetadata struct {
	App          []LayerRef        `json:"app" toml:"app,omitempty"`
	SBOM         *LayerRef         `json:"sbom,omitempty" toml:"sbom,omitempty"`
	Buildpacks   []BuildpackLayers `json:"buildpacks" toml:"buildpacks,omitempty"`
	Config       LayerRef          `json:"config" toml:"config"`
	ExecEnv      string            `json:"exec-env,omitempty" toml:"exec-env,omitempty"` // from Platform API 0.15
	Launcher     LayerRef          `json:"launcher" toml:"launcher"`
	ProcessTypes LayerRef          `json:"process-types" toml:"process-types"`
	RunImage     AppRunImage       `json:"runImage" toml:"run-image"`
	Stack        *Stack            `json:"stack,omitempty" toml:"stack,omitempty"`
}

// An AppRunImage is the run image recorded in an app image.
type AppRunImage struct {
	TopLayer  string   `json:"topLayer" toml:"top-layer"` // diff ID
	Reference string   `json:"reference" toml:"reference"`
	Image     string   `json:"image,omitempty" toml:"image,omitempty"`
	Mirrors   []string `json:"mirrors,omitempty" toml:"mirrors,omitempty"`
}

// A Stack is the run image's name before Platform API 0.12.
type Stack struct {
	RunImage RunImageNames `json:"runImage" toml:"run-image"`
}

// Buildpack returns the layers of a buildpack, or nil.
func (m *AppMetadata) Buildpack(id string) *BuildpackLayers {
	for i := range m.Buildpacks {
		if m.Buildpacks[i].Key == id {
			return &m.Buildpacks[i]
		}
	}
	return nil
}

// DecodeAppMetadata decodes the label. The source names the image in errors. An empty label,
// of an image that is not an app image, decodes to the zero value.
func DecodeAppMetadata(label, source string) (*AppMetadata, error) {
	var m AppMetadata
	if label == "" {
		return &m, nil
	}
	if err := json.Unmarshal([]byte(label), &m); err != nil {
		return nil, fmt.Errorf("reading label %s of %s: %w", LifecycleMetadataLabel, source, err)
	}
	return &m, nil
}

// unmarshalNumbers decodes JSON with json.Number for numbers, then calls convert.
func unmarshalNumbers(data []byte, v any, convert func()) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	convert()
	return nil
}

// plainNumbers converts each json.Number to an integer or float for TOML. It changes maps and
// lists in place.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // a JSON number is always valid
		return f
	case map[string]any:
		for k, element := range v {
			if element == nil {
				delete(v, k) // TOML has no null
				continue
			}
			v[k] = plainNumbers(element)
		}
	case []any:
		for i, element := range v {
			v[i] = plainNumbers(element)
		}
	}
	return v
}

// jsonNumbers is the inverse of plainNumbers: it returns a copy in which whole floats keep a
// decimal point.
func jsonNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64))
		}
	case map[string]any:
		if v == nil {
			return nil
		}
		c := make(map[string]any, len(v))
		for k, element := range v {
			c[k] = jsonNumbers(element)
		}
		return c
	case []map[string]any: // arrays of tables in TOML
		c := make([]any, len(v))
		for i, element := range v {
			c[i] = jsonNumbers(element)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, element := range v {
			c[i] = jsonNumbers(element)
		}
		return c
	}
	return v
}
