package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// buildFlags name past builds.
type buildFlags struct {
	files []string // resolution.toml files or directories
	named []string // app images or patterns, or files if they look like one and the flag takes them
	list  string   // file with app images, patterns and files

	flag string // that gives named, for errors; --FLAG-file gives list
	both bool   // named may have files and directories, too
}

// A listedBuild is a resolution.toml or an app image, and the number of builds that it stands for.
type listedBuild struct {
	name    string
	image   bool
	content []byte // of standard input
	pattern string // that the name matches; empty: it was given
	count   int
}

// isFile reports whether the name of a build is that of a file or directory, not of an app image.
func isFile(name string) bool {
	if name == stdin || strings.HasSuffix(name, ".toml") || name != "" && os.IsPathSeparator(name[len(name)-1]) {
		return true
	}
	_, err := os.Stat(name)
	return err == nil
}

// listedBuilds returns the builds that the arguments and flags name, in order.
func (s *source) listedBuilds(ctx context.Context, f buildFlags) ([]listedBuild, error) {
	var all []listedBuild
	for _, name := range f.files {
		files, err := s.console.resolutionsIn(name)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	for _, name := range f.named {
		if f.both && isFile(name) {
			files, err := s.console.resolutionsIn(name)
			if err != nil {
				return nil, err
			}
			all = append(all, files...)
			continue
		}
		if err := checkReferences(name); err != nil && !isPattern(name) {
			return nil, fmt.Errorf("reading --%s: %w", f.flag, err)
		}
		all = append(all, listedBuild{name: name, image: true, count: 1})
	}
	if f.list != "" {
		data, err := s.console.readFile(f.list)
		if err != nil {
			return nil, fmt.Errorf("reading --%s-file: %w", f.flag, err)
		}
		more, err := listedIn(string(data))
		if err != nil {
			return nil, fmt.Errorf("reading --%s-file %s, %w", f.flag, f.list, err)
		}
		all = append(all, more...)
	}
	return s.expanded(ctx, all, f.flag)
}

// expanded replaces patterns by the images that they match.
func (s *source) expanded(ctx context.Context, listed []listedBuild, flag string) ([]listedBuild, error) {
	var all []listedBuild
	for _, l := range listed {
		if !l.image || !isPattern(l.name) {
			all = append(all, l)
			continue
		}
		names, err := s.matching(ctx, l.name)
		if err != nil {
			return nil, fmt.Errorf("--%s %w", flag, err)
		}
		for _, name := range names {
			all = append(all, listedBuild{name: name, image: true, pattern: l.name, count: l.count})
		}
	}
	return all, nil
}

// resolutionsIn returns the builds that a file, a directory or standard input stands for, in order.
func (c *Console) resolutionsIn(arg string) ([]listedBuild, error) {
	if arg == stdin {
		data, err := c.readFile(stdin)
		if err != nil {
			return nil, fmt.Errorf("reading past builds: %w", err)
		}
		return []listedBuild{{name: calledStdin, content: data, count: 1}}, nil
	}
	info, err := os.Stat(arg)
	if err != nil {
		return nil, fmt.Errorf("reading past builds: %w", err)
	}
	if !info.IsDir() {
		return []listedBuild{{name: arg, count: 1}}, nil
	}
	var files []listedBuild
	err = filepath.WalkDir(arg, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(e.Name(), "resolution.toml") {
			files = append(files, listedBuild{name: path, count: 1})
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = &hinted{fmt.Errorf("reading past builds: no file in %s is a resolution.toml", arg), "a build leaves it in its layers directory; keep one for each build, as NAME.resolution.toml"}
	}
	return files, err
}

// listedIn parses a list of builds.
func listedIn(text string) (all []listedBuild, err error) {
	for n, words := range listLines(text) {
		b := listedBuild{name: words[0], count: 1}
		if len(words) > 1 {
			b.count, err = strconv.Atoi(words[1])
		}
		if err != nil || len(words) > 2 || b.count < 1 || b.count > maxCount {
			return nil, fmt.Errorf("line %d: %q is not a build; write an app image or a file, and optionally a number of builds up to %d", n, strings.Join(words, " "), maxCount)
		}
		b.image = !isFile(b.name)
		all = append(all, b)
	}
	return all, nil
}

// maxCount is the maximum number of builds that one stands for.
const maxCount = 1_000_000

// ofImages matches the tags of signatures, attestations and referrers, which are not images of apps.
var ofImages = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\..*)?$`)

// isPattern reports whether the tag in a name is a pattern.
func isPattern(name string) bool {
	i := strings.LastIndexByte(name, ':')
	return i >= 0 && strings.ContainsAny(name[i:], "*?[") && !strings.Contains(name[i:], "/")
}

// matching returns the images of a repository whose tag matches the pattern in a name.
func (s *source) matching(ctx context.Context, name string) ([]string, error) {
	i := strings.LastIndexByte(name, ':')
	repository, pattern := name[:i], name[i+1:]
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%s: %q is not a pattern: %w", name, pattern, err)
	}
	ref, err := s.images.Registry.Reference(reference.Parse(repository))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	done := s.console.progress("listing the tags of %s", repository)
	tags, err := s.images.Registry.Tags(ctx, ref.Context())
	done()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var all []string
	for _, tag := range tags {
		if matched, _ := path.Match(pattern, tag); matched && !ofImages.MatchString(tag) {
			all = append(all, repository+":"+tag)
		}
	}
	if len(all) == 0 {
		return nil, &hinted{fmt.Errorf("%s: none of %s matches", name, counted(len(tags), "tag", "tags")), "* matches any characters; quote the pattern for the shell"}
	}
	return all, nil
}

// A counted build is what was read of it, and how many builds it stands for.
type countedBuild[T any] struct {
	read  T
	count int
}

// readBuilds reads builds concurrently: app images with a function that also returns their digest, and files, whose
// name goes to the other one. Of the images that a pattern matches, each counts once. It warns about those that
// cannot be read and says how many builds they stand for: one bad file of thousands must not hide what the others
// say. If none can be read, that is an error.
func readBuilds[T any](ctx context.Context, s *source, listed []listedBuild, image func(context.Context, string) (T, string, error), file func(*platform.Resolution, string) T) (all []countedBuild[T], passed int, err error) {
	read, digests, failed := make([]T, len(listed)), make([]string, len(listed)), make([]error, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, l := range listed {
		g.Go(func() error {
			if l.image {
				read[i], digests[i], failed[i] = image(ctx, l.name)
			} else if r, err := l.resolution(); err != nil {
				failed[i] = err
			} else {
				read[i] = file(r, l.name)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	var unread []error
	seen := map[string]bool{}
	for i, l := range listed {
		key := l.pattern + " " + digests[i]
		again := l.pattern != "" && digests[i] != "" && seen[key]
		seen[key] = true
		switch {
		case failed[i] != nil:
			unread = append(unread, failed[i])
			passed += l.count
		case !again:
			all = append(all, countedBuild[T]{read[i], l.count})
		}
	}
	if len(all) == 0 && len(unread) > 0 {
		last := len(unread) - 1
		err, unread = unread[last], unread[:last]
	}
	for _, err := range unread {
		s.console.warn("ignoring a build: %v", err)
	}
	return all, passed, err
}

// resolution reads the resolution.toml of a build.
func (l listedBuild) resolution() (*platform.Resolution, error) {
	if l.content != nil {
		return platform.DecodeResolution(l.content, l.name)
	}
	return platform.ReadFile(l.name, platform.DecodeResolution)
}

// pending reports whether the packages of a build's run image are unknown, so that nothing is decided.
func pending(r *platform.Resolution) bool {
	return slices.ContainsFunc(r.Verdicts, func(v platform.Verdict) bool {
		return v.Image == string(extensions.Run) && extensions.Outcome(v.Verdict) == extensions.Pending
	})
}
