package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// packages writes the packages of baseplan for Debian's and Red Hat's families: baseplan-VERSION-linux-ARCH.deb and .rpm.
func (r *release) packages(p v1.Platform, c commandFiles) (err error) {
	dir, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var contents files.Contents
	add := func(path string, f entry) error {
		source := filepath.Join(dir, fmt.Sprint(len(contents)))
		contents = append(contents, &files.Content{
			Source: source, Destination: path, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: fs.FileMode(f.mode), MTime: layers.Epoch},
		})
		return os.WriteFile(source, f.body, 0o600)
	}
	for _, f := range c.programs {
		to := "/usr/bin/" + f.name
		if f.mode&0o100 == 0 {
			to = "/usr/share/doc/baseplan/" + f.name
		}
		err = errors.Join(err, add(to, f))
	}
	err = errors.Join(err, add("/usr/share/doc/baseplan/copyright", c.license))
	for _, f := range c.others {
		if !strings.HasSuffix(f.name, "/") { // directories are the distribution's
			err = errors.Join(err, add("/usr/share/"+f.name, f))
		}
	}
	if err != nil {
		return err
	}
	for format, packager := range map[string]nfpm.Packager{"deb": deb.Default, "rpm": rpm.DefaultRPM} {
		info := nfpm.WithDefaults(&nfpm.Info{
			Name: "baseplan", Arch: p.Architecture, Platform: p.OS, Version: r.Version, MTime: layers.Epoch, Section: "utils", Priority: "optional",
			Maintainer: "The maintainers of baseplan <baseplan@" + strings.SplitN(module, "/", 2)[0] + ">", License: "Apache-2.0", Homepage: "https://" + module,
			Description:  "What a run image provides to buildpacks\nbaseplan reads the packages of a run image, and decides which Dockerfiles of image\nextensions still need to be applied.",
			Overridables: nfpm.Overridables{Contents: contents, RPM: nfpm.RPM{BuildHost: "baseplan", Summary: "What a run image provides to buildpacks"}},
		})
		if err := nfpm.PrepareForPackager(info, format); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := packager.Package(info, &b); err != nil {
			return fmt.Errorf("making a package: %s: %w", format, err)
		}
		if err := r.publish(strings.TrimSuffix(r.archive("baseplan", p), "tgz")+format, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
