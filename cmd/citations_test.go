package cmd_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cited matches a citation of a page of this project in a comment, with the section if it has one:
// docs/design.md, "Resolution". A section without quotes is the last group.
var cited = regexp.MustCompile(`\b((?:docs/[\w/.-]+|SECURITY|CONTRIBUTING)\.md)(?:, (?:"([^"]+)"|([A-Z]\w*)))?`)

// TestCitations makes sure that the pages and sections that comments cite exist.
func TestCitations(t *testing.T) {
	sections := 0
	headings := map[string][]string{}
	check := func(file, comment string) {
		for _, c := range cited.FindAllStringSubmatch(strings.Join(strings.Fields(comment), " "), -1) {
			page, section, unquoted := c[1], c[2], c[3] != ""
			if _, known := headings[page]; !known {
				headings[page] = headingsOf(t, page)
			}
			switch {
			case headings[page] == nil:
				t.Errorf("%s cites %s, which does not exist", file, page)
			case unquoted:
				t.Errorf("%s cites %s without quotes around the section: %q", file, page, c[0])
			case section != "" && !slices.Contains(headings[page], section):
				t.Errorf("%s cites %s, %q, a section that does not exist", file, page, section)
			case section != "":
				sections++
			}
		}
	}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".go" {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range parsed.Comments {
			check(file, group.Text())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sections < 30 {
		t.Errorf("only %d citations name a section", sections)
	}
}

// headingsOf returns the headings of a page without backquotes, nil if there is no such page.
func headingsOf(t *testing.T, page string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		return nil
	}
	all := []string{}
	for line := range strings.Lines(string(content)) {
		if text := strings.TrimLeft(line, "#"); text != line {
			all = append(all, strings.TrimSpace(strings.ReplaceAll(text, "`", "")))
		}
	}
	return all
}

// TestNoForeignCitations makes sure that nothing cites the notes from which the project was begun,
// since they are not part of it.
func TestNoForeignCitations(t *testing.T) {
	notes := regexp.MustCompile(`\b(?:` + strings.Join([]string{"DESI" + "GN", "COM" + "PAT", "FORM" + "ATS", "FA" + "CTS"}, "|") + `)\b`)
	texts := []string{".go", ".md", ".txt", ".txtar", ".toml", ".sh", ".yaml", ".yml", ".golden", ""}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"../.git", "../bin", "../dist"}, file): // the last two are made
			return filepath.SkipDir
		case !entry.Type().IsRegular() || !slices.Contains(texts, filepath.Ext(file)):
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if found := notes.Find(content); found != nil {
			t.Errorf("%s cites %s: cite a page in docs", file, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
