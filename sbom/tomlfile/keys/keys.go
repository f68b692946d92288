// Package keys finds misspelled keys of files that people write by hand. Start with [Check].
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package keys

import (
	"fmt"
	"reflect"
	"strings"
)

// Check returns an error unless a value of type t has the key, by the names that its fields have in
// their tags ("toml", "json"). The error suggests what may have been meant.
func Check(t reflect.Type, tag string, key []string) error {
	at := t
	for i, part := range key {
		fields, ok := fieldsOf(at, tag)
		if !ok {
			return nil // anything may be in it
		}
		next, ok := find(fields, part)
		if !ok {
			return unknown(t, tag, key[:i+1], fields)
		}
		at = next
	}
	return nil
}

// A field is a key that a table may have.
type field struct {
	name string
	typ  reflect.Type
}

func find(fields []field, name string) (reflect.Type, bool) {
	for _, f := range fields {
		if f.name == name {
			return f.typ, true
		}
	}
	return nil, false
}

// fieldsOf are the keys of a table, or of the tables in a list; false: they are not limited.
func fieldsOf(t reflect.Type, tag string) ([]field, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		switch {
		case f.Anonymous && name == "":
			inner, _ := fieldsOf(f.Type, tag)
			all = append(all, inner...)
		case !f.IsExported() || name == "-":
		case name == "":
			all = append(all, field{f.Name, f.Type})
		default:
			all = append(all, field{name, f.Type})
		}
	}
	return all, true
}

func unknown(t reflect.Type, tag string, key []string, siblings []field) error {
	parent, last := key[:len(key)-1], key[len(key)-1]
	var names []string
	for _, f := range siblings {
		names = append(names, f.name)
	}
	spell := func(key []string) string { return strings.Join(key, ".") }
	if meant, ok := closest(last, names); ok {
		return fmt.Errorf("unknown key %q: did you mean %q?", spell(key), spell(append(parent[:len(parent):len(parent)], meant)))
	}
	if elsewhere := search(t, tag, last, nil, 0); elsewhere != nil && len(elsewhere) >= len(key) { // a key of a table above is known there, and is not what is meant
		return fmt.Errorf("unknown key %q: did you mean %q?", spell(key), spell(elsewhere))
	}
	return fmt.Errorf("unknown key %q: the keys here are %s", spell(key), strings.Join(names, ", "))
}

// search finds a key of that name in another table.
func search(t reflect.Type, tag, name string, table []string, depth int) []string {
	fields, _ := fieldsOf(t, tag)
	if _, ok := find(fields, name); ok {
		return append(table, name)
	}
	for _, f := range fields {
		if depth == 4 {
			break
		}
		if found := search(f.typ, tag, name, append(table[:len(table):len(table)], f.name), depth+1); found != nil {
			return found
		}
	}
	return nil
}

// maxWord is the length of words that are compared.
const maxWord = 64

// closest is the first of the names that differ least from a word, if it is close enough for
// a misspelling: a letter in three may be wrong, missing, too many, or swapped with the next.
func closest(word string, names []string) (string, bool) {
	best, least := "", max(1, len(word)/3)+1
	if len(word) > maxWord {
		return "", false
	}
	for _, name := range names {
		if d := distance(normal(word), normal(name)); d < least {
			best, least = name, d
		}
	}
	return best, best != ""
}

func normal(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// distance is the number of letters to insert, delete, change or swap (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
