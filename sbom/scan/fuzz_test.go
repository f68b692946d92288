package scan

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// FuzzLayer feeds layers that are anything. What is kept of one must survive the cache, and two of them must
// make a tree in which nothing is found outside of what was looked for.
func FuzzLayer(f *testing.F) {
	f.Add(lifecycletest.Layer{"lib": "-> usr/lib", "usr/lib/apk/db/installed": "P:a\n"}.Bytes(),
		lifecycletest.Layer{"usr/lib/apk/.wh.db": "", "var/.wh..wh..opq": "", "etc/os-release": "=> ../../x"}.Bytes())
	f.Add(lifecycletest.Layer{"var/lib/dpkg/": "", "var/lib/dpkg/info/a.list": "/a\n"}.Bytes(),
		lifecycletest.Layer{"var/lib": "-> lib", "var/../../etc/os-release": "ID=a\n"}.Bytes())
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		in, tree := newSelection(), newTree()
		for _, raw := range [][]byte{lower, upper} {
			b := &budget{}
			b.left.Store(1 << 20)
			entries, err := readTar(bytes.NewReader(raw), in, b)
			if err != nil {
				return
			}
			b.left.Store(1 << 22)
			again, ok := decodeEntries(encodeEntries(entries), in, b)
			if ok && len(entries) > 0 && !reflect.DeepEqual(again, entries) {
				t.Fatalf("%+v came back as %+v", entries, again)
			}
			tree.apply(entries)
		}
		found, _, err := collect(tree)
		if err != nil {
			t.Fatal(err)
		}
		for name := range found {
			if !in.wants(name) || in.above[name] {
				t.Errorf("found %s", name)
			}
		}
	})
}

// FuzzDatabase feeds package databases that are anything: an error or a Document whose packages have
// names and whose files are absolute and clean.
func FuzzDatabase(f *testing.F) {
	f.Add(uint8(0), []byte("Package: a\nVersion: 1:2~rc-3\nArchitecture: all\nProvides: b (= 1), c\nSource: d (4)\n\n"))
	f.Add(uint8(1), []byte("P:a\nV:1-r0\np:so:a.so.1=1 cmd:a\nF:usr\nM:0:0:755\nR:../b\n\n"))
	f.Add(uint8(2), []byte("a\t1-2\t0\t0\tv\t(none)\t0\tnoarch\t0\ta-1-2.src.rpm\n"))
	f.Add(uint8(3), []byte("/.\n/usr\n//usr/../etc\n"))
	f.Fuzz(func(t *testing.T, kind uint8, content []byte) {
		name := []string{dpkgStatus, "lib/apk/db/installed", rpmManifest, dpkgInfo + "/a.list"}[kind%4]
		found := files{dpkgStatusDir + "/a": []byte("Package: a\nVersion: 1\n"), name: content}
		doc, err := catalog(t.Context(), found)
		if err != nil {
			return
		}
		for _, p := range doc.Packages {
			if p.Name == "" {
				t.Errorf("a package without a name: %+v", p)
			}
			for _, file := range p.Files {
				if file != "/"+clean(file) {
					t.Errorf("%s owns %q", p.Name, file)
				}
			}
		}
	})
}
