package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
)

// An Inspector learns what base images hold (DESIGN section 1).
type Inspector struct {
	Images  *image.Opener
	Finder  *attach.Finder     // required: of what is attached
	Policy  platform.RunSBOM   // empty: auto
	Mapping []provides.Mapping // the operator's, over the built-in table

	// Scan reads the packages of an image out of the image itself; nil: that is never done.
	Scan func(context.Context, *image.Image) (*sbom.Document, error)
	// Cache is a directory that keeps what Scan found, by image digest; empty: nothing is kept.
	Cache string

	Log *slog.Logger // nil: silent
}

// An Inventory is what an image holds and where that is known from.
type Inventory struct {
	Report   attach.Report  // run-image.toml
	Document *sbom.Document // nil: nothing is known
	Data     []byte         // the document as <layers>/run-image.sbom.<ext> has it
}

// Attached looks for what is attached to an image. A switched image is one that the
// platform's file does not describe.
func (i *Inspector) Attached(ctx context.Context, img *image.Image, switched bool) (*Inventory, error) {
	subject := i.Subject(img)
	subject.Switched = switched
	found, err := i.Finder.Find(ctx, subject)
	if err != nil {
		return nil, err
	}
	log := logger(i.Log)
	for _, w := range found.Warnings {
		log.Warn(fmt.Sprintf("%s: %s", img.Name, w))
	}
	inventory := &Inventory{Report: found.Report(nameOf(img), img.Digest.String())}
	inventory.Report.Config = ConfigOf(img)
	for _, s := range inventory.Report.Searched {
		text := fmt.Sprintf("an SBOM of %s is passed over: %s: %s: %s", img.Name, s.Carrier, s.Result, s.Detail)
		switch s.Result {
		case attach.Found, attach.None:
		case attach.Unreachable:
			log.Info(text) // the registry of a daemon's image need not be within reach
		default:
			log.Warn(text)
		}
	}
	if found.Found == nil {
		if i.Policy == platform.Attached {
			return nil, found.Missing(img.Name)
		}
		return inventory, nil
	}
	inventory.Document = found.Found.Document
	inventory.Data, err = found.Found.JSON()
	return inventory, err
}

// Subject is an image as the search for its SBOM knows it.
func (i *Inspector) Subject(img *image.Image) attach.Subject {
	subject := attach.Subject{Ref: img.Ref, Digest: img.Digest, Image: img.Image, Config: img.Config, Index: img.Parent}
	if i.Scan != nil {
		subject.HasDatabase = func(ctx context.Context) (bool, error) {
			doc, err := i.Scan(ctx, img)
			return err == nil && len(doc.Databases) > 0, err
		}
	}
	for _, name := range img.RepoDigests {
		subject.Names = append(subject.Names, name[strings.LastIndexByte(name, '@')+1:])
	}
	if img.Files == nil {
		return subject
	}
	subject.Archive = img.Files.Archive
	if len(img.RepoDigests) > 0 {
		subject.Origin = func(ctx context.Context) (attach.Subject, error) {
			from, err := i.Images.Origin(ctx, img)
			if err != nil {
				return attach.Subject{}, err
			}
			return attach.Subject{Ref: from.Ref, Digest: from.Digest, Index: from.Parent}, nil
		}
	}
	return subject
}

// maxKept is how many generated inventories are kept.
const maxKept = 5

// Generate reads an image's packages out of the image, or takes what was kept of an earlier
// time. The report is that of an earlier search; nil: there was none.
func (i *Inspector) Generate(ctx context.Context, img *image.Image, before *Inventory) (*Inventory, error) {
	if i.Scan == nil {
		return nil, errors.New("nothing generates inventories here")
	}
	inventory := &Inventory{Report: attach.Report{Version: sbom.FileVersion, Image: nameOf(img), Digest: img.Digest.String(), Config: ConfigOf(img)}}
	if before != nil {
		inventory.Report = before.Report
	}
	carrier := attach.Cache
	doc := i.kept(img)
	if doc == nil {
		start := time.Now()
		var err error
		if doc, err = i.Scan(ctx, img); err != nil {
			return nil, fmt.Errorf("generating an inventory of %s: %w", img.Name, err)
		}
		carrier = attach.Generated
		logger(i.Log).Debug(fmt.Sprintf("Generated an inventory of %s in %s", img.Name, time.Since(start).Round(time.Millisecond)))
	}
	inventory.Document = doc
	var data bytes.Buffer
	if err := format.Encode(&data, doc, sbom.Syft); err != nil {
		return nil, fmt.Errorf("encoding the inventory of %s: %w", img.Name, err)
	}
	inventory.Data = data.Bytes()
	inventory.Report.SBOM = &attach.Source{Carrier: carrier, Format: sbom.Syft, Packages: len(doc.Packages)}
	if carrier == attach.Generated {
		i.keep(img, inventory.Data)
	}
	return inventory, nil
}

func keptName(img *image.Image) string { return img.Digest.Algorithm + "-" + img.Digest.Hex + ".json" }

// kept is the inventory of an earlier time; nil if there is none that can be read.
func (i *Inspector) kept(img *image.Image) *sbom.Document {
	dir, err := i.keeper(false)
	if err != nil || dir == nil {
		return nil
	}
	defer dir.Close()
	f, err := files.OpenIn(dir, keptName(img))
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !owned(info) {
		return nil
	}
	doc, err := format.Decode(f, f.Name())
	if err != nil {
		logger(i.Log).Warn(fmt.Sprintf("a kept inventory is passed over: %v", err))
		return nil
	}
	if !doc.Knows(sbom.Presence) {
		return nil // of a version that did not look whether files are there
	}
	now := time.Now()
	_ = dir.Chtimes(keptName(img), now, now) // only the order of going matters
	return doc
}

// keep keeps an inventory, and drops the oldest. That it cannot be kept is no error.
func (i *Inspector) keep(img *image.Image, data []byte) {
	dir, err := i.keeper(true)
	if err == nil && dir == nil {
		return
	}
	if err == nil {
		_ = dir.Remove(keptName(img)) // of somebody else's: it would keep its owner
		err = files.WriteIn(dir, keptName(img), data)
		defer dir.Close()
	}
	if err != nil {
		logger(i.Log).Warn(fmt.Sprintf("the inventory of %s is not kept: %v", img.Name, err))
		return
	}
	entries, err := fs.Glob(dir.FS(), "*.json")
	if err != nil || len(entries) <= maxKept {
		return
	}
	slices.SortFunc(entries, func(a, b string) int { return modified(dir, b).Compare(modified(dir, a)) })
	for _, old := range entries[maxKept:] {
		_ = dir.Remove(old)
	}
}

// keeper opens the directory of kept inventories; nil if there is none. It has to be this process's user's: what
// buildpacks could have written is no inventory.
func (i *Inspector) keeper(create bool) (*os.Root, error) {
	if i.Cache == "" {
		return nil, nil
	}
	base := filepath.Dir(i.Cache)
	if create {
		if err := os.MkdirAll(base, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := files.Within(base, filepath.Base(i.Cache), create)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat(".")
	if err == nil && !owned(info) {
		err = fmt.Errorf("%s belongs to somebody else", i.Cache)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// user is who this process is.
var user = os.Geteuid

// owned reports whether a file is this process's user's. Root's, nobody else may be able to write: Kubernetes
// gives volumes to a group.
func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == user() && (stat.Uid != 0 || info.Mode().Perm()&0o022 == 0)
}

func modified(dir *os.Root, name string) time.Time {
	info, err := dir.Lstat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Base is the image as plans are resolved and Dockerfiles are judged with it.
func (i *Inspector) Base(img *image.Image, inventory *Inventory) BaseImage {
	b := BaseImage{Reference: nameOf(img), Digest: img.Digest.String()}
	b.Config = JudgedBy(ConfigOf(img))
	if inventory == nil || inventory.Document == nil {
		return b
	}
	b.Carrier = inventory.Report.SBOM.Carrier
	b.Set = ProvidesOf(inventory.Document, i.Mapping, inventory.Report.Declaration, b.Reference, i.Log)
	return b
}

// ConfigOf is what run-image.toml has of an image's configuration.
func ConfigOf(img *image.Image) *attach.Config {
	c := img.Config.Config
	out := &attach.Config{
		User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell, StopSignal: c.StopSignal, Author: img.Config.Author,
		ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(c.Volumes)),
	}
	if c.Healthcheck != nil {
		if check, err := json.Marshal(c.Healthcheck); err == nil {
			out.Healthcheck = string(check)
		}
	}
	if created := img.Config.Created.UTC(); !created.IsZero() {
		out.Created = &created
	}
	return out
}

// JudgedBy is the configuration in a run-image.toml as Dockerfiles are judged by it; nil: it has none.
func JudgedBy(c *attach.Config) *extensions.Config {
	if c == nil {
		return nil
	}
	out := &extensions.Config{
		User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell,
		ExposedPorts: c.ExposedPorts, Volumes: c.Volumes, StopSignal: c.StopSignal, Healthcheck: c.Healthcheck, Author: c.Author,
	}
	if c.Created != nil {
		out.Created = *c.Created
	}
	return out
}

// nameOf is an image's name as people spell it.
func nameOf(img *image.Image) string { return strings.TrimPrefix(img.Name, "docker://") }

// ProvidesOf is what an inventory provides, by the operator's mapping and the publisher's
// word. What the inventory does not back is refused with a warning.
func ProvidesOf(doc *sbom.Document, mapping []provides.Mapping, declared *attach.Declared, name string, log *slog.Logger) *provides.Set {
	log = logger(log)
	var declaration *provides.Declaration
	if declared != nil {
		var err error
		if declaration, err = provides.DecodeDeclaration([]byte(declared.Data), declared.Reference); err != nil {
			log.Warn(fmt.Sprintf("the declaration of %s is passed over: %v", name, err))
		}
	}
	set, refused := provides.From(doc, mapping, declaration)
	for _, r := range refused {
		log.Warn(fmt.Sprintf("%s declares that it provides %s, but %s; refused", name, r.Name, r.Why))
	}
	return set
}
