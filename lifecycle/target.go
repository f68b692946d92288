package lifecycle

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// bionicStack is the stack whose images need not declare their target (platform.md, "analyzed.toml").
const bionicStack = "io.buildpacks.stacks.bionic"

// TargetOf returns the target of an image from its configuration and labels. If these do not name the
// distribution, it reads /etc/os-release (platform.md, "Target Data").
func TargetOf(ctx context.Context, img *image.Image) (*platform.Target, error) {
	labels := img.Config.Config.Labels
	t := &platform.Target{
		OS: img.Config.OS, Arch: img.Config.Architecture, Variant: img.Config.Variant, ID: labels[platform.TargetIDLabel],
	}
	distro := platform.Distro{Name: labels[platform.DistroNameLabel], Version: labels[platform.DistroVersionLabel]}
	if distro == (platform.Distro{}) && labels[platform.StackIDLabel] == bionicStack {
		distro = platform.Distro{Name: "ubuntu", Version: "18.04"}
	}
	if distro == (platform.Distro{}) && t.OS == "linux" {
		release, err := osRelease(ctx, img)
		if err != nil {
			return nil, fmt.Errorf("reading /etc/os-release of %s: %w", img.Name, err)
		}
		distro = release
	}
	if distro != (platform.Distro{}) {
		t.Distro = &distro
	}
	return t, nil
}

// ContainerTarget returns the target of this process's container: its architecture, and the
// distribution in etc/os-release below root. Modules see it if the run image's target is unknown
// (docs/compatibility.md, "Environment").
func ContainerTarget(root fs.FS) *platform.Target {
	t := &platform.Target{OS: runtime.GOOS, Arch: runtime.GOARCH}
	release, err := root.Open("etc/os-release")
	if err != nil {
		return t
	}
	defer release.Close()
	if d, err := parseRelease(io.LimitReader(release, 1<<20)); err == nil && d != (platform.Distro{}) {
		t.Distro = &d
	}
	return t
}

// osRelease reads the distribution's name and version; empty if the image does not have them.
func osRelease(ctx context.Context, img *image.Image) (platform.Distro, error) {
	var content io.ReadCloser
	var err error
	if img.Files != nil {
		content, err = fileOfDaemon(ctx, img.Files, "/etc/os-release")
	} else {
		content, err = fileOf(ctx, img.Image, "etc/os-release")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return platform.Distro{}, nil
	}
	if err != nil {
		return platform.Distro{}, err
	}
	defer content.Close()
	return parseRelease(io.LimitReader(content, 1<<20))
}

// parseRelease reads ID and VERSION_ID (os-release(5)).
func parseRelease(r io.Reader) (platform.Distro, error) {
	var d platform.Distro
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		value = strings.Trim(value, `"'`)
		switch {
		case ok && key == "ID":
			d.Name = value
		case ok && key == "VERSION_ID":
			d.Version = value
		}
	}
	return d, lines.Err()
}

// fileOfDaemon reads a file of a daemon's image. The daemon follows links.
func fileOfDaemon(ctx context.Context, files *image.Files, name string) (io.ReadCloser, error) {
	archive, err := files.Archive(ctx, name)
	if err != nil {
		return nil, err
	}
	t := tar.NewReader(archive)
	if _, err := t.Next(); err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{t, archive}, nil
}

// maxLinks is the maximum number of symbolic links to follow.
const maxLinks = 10

// fileOf reads a file of an image from the topmost layer that has it. It follows links. The error
// wraps fs.ErrNotExist if there is no such file.
func fileOf(ctx context.Context, img v1.Image, name string) (io.ReadCloser, error) {
	all, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for range maxLinks {
		content, link, err := search(ctx, all, name)
		if err != nil || link == "" {
			return content, err
		}
		if !path.IsAbs(link) {
			link = path.Join("/", path.Dir(name), link)
		}
		name = strings.TrimPrefix(path.Clean(link), "/")
	}
	return nil, fmt.Errorf("%s: too many links", name)
}

// search searches the layers from the top.
func search(ctx context.Context, all []v1.Layer, name string) (io.ReadCloser, string, error) {
	for i := len(all) - 1; i >= 0; i-- {
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		content, link, gone, err := searchLayer(all[i], name)
		if err != nil || content != nil || link != "" {
			return content, link, err
		}
		if gone {
			break
		}
	}
	return nil, "", &fs.PathError{Op: "open", Path: "/" + name, Err: fs.ErrNotExist}
}

// searchLayer searches one layer for a file. gone reports that the layer hides the file in the layers below.
func searchLayer(l v1.Layer, name string) (content io.ReadCloser, link string, gone bool, err error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, "", false, err
	}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, "", gone, r.Close()
		}
		if err != nil {
			return nil, "", false, errors.Join(err, r.Close())
		}
		at := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		switch {
		case at == name && h.Typeflag == tar.TypeSymlink:
			return nil, h.Linkname, false, r.Close()
		case at == name && h.Typeflag == tar.TypeLink:
			return nil, path.Join("/", h.Linkname), false, r.Close()
		case at == name && h.Typeflag == tar.TypeReg:
			return struct {
				io.Reader
				io.Closer
			}{t, r}, "", false, nil
		case hides(at, name):
			gone = true
		}
	}
}

// hides reports whether an entry is a whiteout of a file or a directory above it (OCI
// image specification, "Whiteouts").
func hides(entry, name string) bool {
	dir, base := path.Split(entry)
	victim, isWhiteout := strings.CutPrefix(base, ".wh.")
	if !isWhiteout {
		return false
	}
	if victim == ".wh..opq" {
		return strings.HasPrefix(name, dir)
	}
	return name == dir+victim || strings.HasPrefix(name, dir+victim+"/")
}
