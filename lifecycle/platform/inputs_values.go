package platform

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/baseplan/baseplan/sbom/reference"
)

// A setter parses the value of a flag or variable.
type setter interface{ Set(string) error }

// The types of flags and variables.
type (
	text     struct{ to *string }
	boolean  struct{ to *bool }
	number   struct{ to *int }
	duration struct{ to *time.Duration }
	byteSize struct{ to *int64 }
	moment   struct{ to **time.Time }
	list     struct{ to *[]string }
	choice   struct {
		to *string
		of []string
	}
	imageName  struct{ to *reference.Reference }
	imageNames struct{ to *[]reference.Reference }

	registryName struct{ to *reference.Reference }
	metricsName  struct{ to *string }
)

// optional is the value of a flag. It ignores empty values, since platforms pass on empty
// variables.
type optional struct {
	setter
	given func()
}

// Set implements [flag.Value].
func (v optional) Set(s string) error {
	if s == "" {
		return nil
	}
	err := v.setter.Set(s)
	if err == nil {
		v.given()
	}
	return err
}

// String implements [flag.Value].
func (v optional) String() string { return "" }

// IsBoolFlag reports whether the flag may be given without a value.
func (v optional) IsBoolFlag() bool {
	_, ok := v.setter.(boolean)
	return ok
}

func (v text) Set(s string) error {
	*v.to = s
	return nil
}

func (v boolean) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("must be true or false")
	}
	*v.to = b
	return nil
}

func (v number) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return errors.New("must be a numeric user or group ID")
	}
	*v.to = int(n)
	return nil
}

func (v duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("must be a duration such as 336h")
	}
	*v.to = d
	return nil
}

// units are the suffixes of a size, in bytes.
var units = map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

func (v byteSize) Set(s string) error {
	number := strings.TrimRight(s, "KMGT")
	n, err := strconv.ParseInt(number, 10, 64)
	unit, ok := units[s[len(number):]]
	if err != nil || !ok || n <= 0 || n > math.MaxInt64/unit {
		return errors.New("must be a number of bytes such as 500M or 20G")
	}
	*v.to = n * unit
	return nil
}

func (v moment) Set(s string) error {
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return errors.New("must be a number of seconds since 1970")
	}
	t := time.Unix(seconds, 0).UTC()
	*v.to = &t
	return nil
}

// Set appends to the list. Commas separate elements, except within a PEM block.
func (v *list) Set(s string) error {
	for element := range strings.SplitSeq(s, ",") {
		if element = strings.TrimSpace(element); element != "" {
			*v.to = append(*v.to, element)
		}
	}
	return nil
}

// Set accepts one of the choices, ignoring case. An empty value counts as not given.
func (v choice) Set(s string) error {
	if s == "" {
		return nil
	}
	s = strings.ToLower(s)
	if !slices.Contains(v.of, s) {
		return fmt.Errorf("must be one of %s", strings.Join(v.of, ", "))
	}
	*v.to = s
	return nil
}

// Set accepts an image reference. It ignores empty ones, which platforms pass.
func (v imageName) Set(s string) error {
	if s != "" {
		if err := reference.Recorded(s).Err(); err != nil {
			return fmt.Errorf("must be an image reference: %w", err)
		}
	}
	*v.to = reference.Parse(s)
	return nil
}

// Set sets a reference in a registry.
func (v registryName) Set(s string) error {
	*v.to = reference.Parse(s)
	return checkRegistry(*v.to)
}

// Set sets the path of a metrics file.
func (v metricsName) Set(s string) error {
	if !slices.Contains(metricsFormats, filepath.Ext(s)) {
		return fmt.Errorf("the extension decides the format; use one of %s", strings.Join(metricsFormats, ", "))
	}
	*v.to = s
	return nil
}

// checkRegistry returns an error for a reference that is not in a registry. The zero value is none.
func checkRegistry(ref reference.Reference) error {
	if !ref.IsZero() && (ref.Kind != reference.Registry || ref.Err() != nil) {
		return errors.New("must be a reference in a registry")
	}
	return nil
}

// Set appends image references, which commas separate.
func (v imageNames) Set(s string) error {
	var names []string
	err := (&list{&names}).Set(s)
	for _, name := range names {
		*v.to = append(*v.to, reference.Parse(name))
	}
	return err
}
