//go:build e2e && linux

package apply_test

import (
	"archive/tar"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

var defaultConfig = v1.Config{User: "1000:1000", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "CNB_STACK_ID=x"}}

// debian is a minimal Debian.
func (d *daemon) debian() *base {
	d.t.Helper()
	return d.load("baseplan-e2e/debian:base", lifecycletest.Rootfs(d.t, lifecycletest.Minimal), defaultConfig)
}

// alpine makes an image in the manner of Alpine: busybox with links, apk's database.
func (d *daemon) alpine() *base {
	d.t.Helper()
	return d.load("baseplan-e2e/alpine:base", d.alpineTar(), defaultConfig)
}

func (d *daemon) alpineTar() string {
	d.t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		d.t.Fatal("busybox is missing: install busybox-static")
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		d.t.Fatal(err)
	}
	list, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		d.t.Fatal(err)
	}
	file := filepath.Join(d.dir, "alpine.tar")
	f, err := os.Create(file)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	tw := tar.NewWriter(f)
	add := func(h tar.Header, content string) {
		h.Size = int64(len(content))
		if err := tw.WriteHeader(&h); err != nil {
			d.t.Fatal(err)
		}
		if _, err := io.WriteString(tw, content); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "etc", "etc/apk", "lib", "lib/apk", "lib/apk/db", "home", "home/app", "opt", "opt/kept", "opt/kept/deep", "proc", "dev", "sys", "usr", "usr/lib", "var"} {
		add(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}, "")
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "tmp", Mode: 0o1777}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, string(program))
	for applet := range strings.FieldsSeq(string(list)) {
		if applet != "busybox" {
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox"}, "")
		}
	}
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nother:x:1001:1002::/home/other:/bin/sh\n",
		"etc/group":  "root:x:0:\napp:x:1000:\nextra:x:3000:app\nothers:x:1002:\n", "etc/alpine-release": "3.20.0\n", "etc/os-release": "ID=alpine\nVERSION_ID=3.20.0\n",
		"lib/apk/db/installed": "P:busybox\nV:1.36.1-r29\n\n", "opt/kept/a": "a", "opt/kept/b": "b", "opt/kept/deep/c": "c", "etc/hosts": "of the image",
	} {
		add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content)
	}
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "lib64", Linkname: "/lib"}, "")
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "opt/link", Linkname: "kept"}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "opt/one", Mode: 0o640}, "linked")
	add(tar.Header{Typeflag: tar.TypeLink, Name: "opt/two", Linkname: "opt/one", Mode: 0o640}, "")
	if err := tw.Close(); err != nil {
		d.t.Fatal(err)
	}
	return file
}

// corpus are Dockerfiles, without their first two lines and the last that resets
// the user, and the shell commands that make their build context.
var corpus = []struct{ name, context, dockerfile string }{
	{"copy files", `echo a >a; echo b >b; chmod 4755 a; chmod 600 b; echo c >'c d'`, `
COPY a /a
COPY a b /new/dir/
COPY ["c d", "/with space"]
COPY a /opt/kept/
COPY b /opt/kept/a
COPY a /opt/link/
COPY a /opt/kept
WORKDIR /home/app
COPY a b ./
COPY a .
COPY b relative/`},
	{"copy directories", `mkdir -p d/e/f d/empty; echo 1 >d/x; echo 2 >d/e/y; ln -s x d/link; ln -s /etc/passwd d/absolute; ln -s d top; chmod 700 d/e; chmod 2775 d/empty; chmod 750 d`, `
COPY d /new
COPY d/ /new2/
COPY d /opt/kept/
COPY top /through
COPY d/link /file
COPY d/e d/empty /both/
COPY . /all/`},
	{"copy hard links", `mkdir -p d/e; echo 1 >d/x; ln d/x d/a; ln d/x d/e/y; echo 2 >d/other; ln d/other out`, `
COPY d /new
COPY d /opt/kept
COPY d/e /alone`},
	{"copy globs", `for i in a1 a2 b1; do echo $i >$i; done; mkdir sub; echo s >sub/s1.txt; echo t >sub/t1.txt`, `
COPY a* /as/
COPY ?1 /ones/
COPY sub/*.txt /txt/
COPY b* /b
COPY s[t-v]b /dir/`},
	{"copy owners", `echo a >a; mkdir -p d/e; echo b >d/e/b`, `
COPY --chown=app a /1
COPY --chown=other:extra a /2
COPY --chown=1000 d /three/new/
COPY --chown=1000:0 d /4
COPY --chown=app:3000 a /five/made/a
COPY --chown=other d /opt/kept/
USER app
COPY a /root-owned`},
	{"dockerignore", `mkdir -p d/e keep; echo 1 >d/x.log; echo 2 >d/e/y; echo 3 >d/e/keep.log; echo 4 >keep/z; echo 5 >secret; printf '*.log\n**/*.log\n!d/e/keep.log\nsecret\nkeep\n!keep/z\n# comment\n' >.dockerignore`, `
COPY . /all/
COPY d /d`},
	{"add archives", `mkdir -p src/d/e; echo a >src/a; echo b >src/d/e/b; ln -s a src/link; ln src/a src/hard; chmod 700 src/d; chown -R 5:6 src
tar -C src -cf plain.tar .; tar -C src -czf gz.bin a d; tar -C src -cjf bz.tar.bz2 a d link; tar -C src -cJf x.tar.xz a hard; echo none >not.tar; gzip <not.tar >single.gz; rm -r src`, `
ADD plain.tar /plain
ADD gz.bin /gz/
ADD bz.tar.bz2 /opt/kept/
ADD x.tar.xz /new/xz
ADD not.tar /not/
ADD single.gz /single/
COPY plain.tar /copied`},
	{"variables", `echo a >one-two; mkdir v; echo x >v/w`, `
ARG name=one
ENV suffix=two
ENV a=1 b="with space" c=$name
ENV old style value
COPY ${name}-${suffix} /$name/${suffix:-x}/${none:-def}${name:+set}
LABEL l1="$name" l2='$name' "l 3"=\$name
ARG undefined
RUN echo "$name|$suffix|$a|$b|$c|$old|$undefined|${user_id:-unset}" > /values
ARG user_id
ARG group_id
RUN echo "$user_id:$group_id" >> /values
ENV name=shadows
RUN echo "$name" >> /values
ENV PATH=$PATH:/extra
WORKDIR /$suffix
WORKDIR sub
RUN pwd >> /values; env | grep -v -i -e proxy -e HOSTNAME -e SHLVL -e '^_=' -e '^PWD=' | sort >> /values`},
	{"users", ``, `
RUN id > /1
USER app
RUN id > /tmp/2; echo $HOME >> /tmp/2
WORKDIR /home/app/made
USER other:extra
RUN id > /tmp/3; touch /tmp/own
USER 4321
RUN id > /tmp/4; echo $HOME >> /tmp/4
WORKDIR /deep/er/dir
USER 4321:77
RUN id > /tmp/5; umask >> /tmp/5`},
	{"shells", ``, `
RUN ["/bin/sh", "-c", "echo exec > /1"]
RUN ["touch", "/2 $HOME"]
SHELL ["/bin/ash", "-e", "-c"]
RUN false || true; echo $0 > /3
RUN echo one && \
    # a comment
    echo two \
    > /4
RUN echo 'a  b' "c $HOME" \$HOME > /5`},
	{"deletions", `echo x >x`, `
RUN rm /opt/kept/a && rm -r /opt/kept/deep
RUN rm -r /opt/kept && mkdir /opt/kept && echo new > /opt/kept/n
RUN rm -r /opt/kept && echo file > /opt/kept
RUN rm /opt/kept && mkdir -p /opt/kept/again && touch /opt/kept/again/x
RUN rm /opt/link && ln -s /etc /opt/link
RUN mkdir /t && touch /t/a /t/b
RUN rm /t/a && touch /t/c
RUN mv /t /u
RUN rm -r /u /lib/apk`},
	{"links and nodes", ``, `
RUN ln /opt/one /opt/three && rm /opt/two
RUN echo x > /n1 && ln /n1 /n2 && mkdir /n && ln /n1 /n/3
RUN mkfifo /opt/fifo; ln -s nowhere /opt/dangling; ln -s loop /opt/loop
RUN cp /bin/busybox /bin/bb && ln /bin/bb /bin/bb2 && chmod 4711 /bin/bb
RUN chmod 1777 /opt; chown 1000:3000 /opt/kept/b; chown -h 1000:1000 /opt/dangling; mkdir -m 2770 /opt/sgid
RUN chmod 600 /etc/alpine-release; touch -t 200001010000 /etc/os-release`},
	{"times kept", ``, `
RUN touch -r /opt/kept/a /tmp/ref; printf x > /opt/kept/a; touch -r /tmp/ref /opt/kept/a
RUN cp -p /etc/group /tmp/g; sed -i s/app/ppa/ /etc/group; touch -r /tmp/g /etc/group`},
	{"left running", ``, `
RUN (sleep 1; echo late > /late) & echo early > /early
RUN setsid sh -c 'sleep 1; echo late > /later' & echo fine > /fine`},
	{"network files", ``, `
RUN test -f /etc/resolv.conf && ! grep -q "of the image" /etc/hosts && test -c /dev/null && echo x > /dev/null && head -c 3 /dev/urandom > /dev/zero && echo ok > /ok`},
	{"odd names", `echo 1 >'-dash'; echo 2 >'né'; mkdir 'a b'; echo 3 >'a b/c'`, `
COPY ["-dash", "/odd/-dash"]
COPY né /odd/né
COPY ["a b", "/odd/a b"]
RUN printf x > "/odd/new$(printf '\\n.')line"; mkdir -p /odd/$(printf 'd\\1'); touch "/odd/ lead" /odd/.hidden`},
	{"copy over what is there", `mkdir -p d/kept; echo f >d/kept/f; echo l >link; mkdir empty; mkdir -p tree/opt; echo o >tree/opt/o`, `
COPY d /opt/
COPY link /opt/link2
RUN ln -s /opt/kept/a /tofile
COPY link /tofile
RUN ln -s /nowhere/yet /dangle
COPY link /dangle
COPY empty /made/
COPY tree /`},
	{"copy over links", `mkdir d; for i in a la up gone link d/la d/new; do echo new $i >$i; done; tar cf up.tar up la; ln -s nowhere f; mkdir e; mv f e/la`, `
RUN ln -s a /opt/kept/la && ln -s /opt/kept/b /opt/kept/up && ln -s /nowhere /opt/gone && ln -s /opt/kept /todir && ln -s /opt/kept/a /tofile && ln -s /opt /opt/kept/down
COPY la /opt/kept/
COPY link /opt/
ADD gone /opt/
COPY up /todir
COPY d /opt/kept
COPY a /tofile
ADD up.tar /opt/kept
COPY e /opt/kept`},
	{"mounts", `mkdir -p src/d; echo tool >src/tool; echo x >src/d/x; echo one >one`, `
RUN mkdir -p /var/cache/x /scratch && echo old > /var/cache/x/old
RUN --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/scratch --mount=type=bind,source=src,target=/opt/kept --mount=source=one,target=/etc/alpine-release \
	test ! -e /var/cache/x/old && cat /opt/kept/tool /opt/kept/d/x /etc/alpine-release > /seen && ls -ld /var/cache/x /scratch | cut -c1-10 >> /seen && touch /var/cache/x/new /scratch/new
RUN --mount=type=cache,target=/var/cache/x ls /var/cache/x >> /seen; ls /opt/kept >> /seen`},
	{"configuration of containers", ``, `
ARG port=8080
ARG dir=/data
EXPOSE 8001 ${port} 53/UDP 90-92/tcp
VOLUME $dir /cache
VOLUME ["/with space"]
STOPSIGNAL SIG${sig:-QUIT}
HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --retries=3 CMD wget -q http://localhost:$port
MAINTAINER Somebody <s@example.com>`},
	{"capabilities of hard links", `echo H4sIAAAAAAACA+3WMQuCQBwF8H/R1KfwE5x/z8wpCFoMGoKmxktvCBxCT7i+fZcFYeAUWnTvtyiC3CDvPUUowvVe2UyrQlc0CH7ouzKn0ev+/jxiGcUUWBpBUxtVuePJT0kaHDbZdncUVhlTiVrnTXU2V5GrizqdS3e7mhBNadZ9b07wD9rPXOpBz2gjniT9+WfZzT+nMpEUMPI/OIsge01g/7H/2H/f919+d//5Pf/Lhct/NMbPief5R/+j/9H//irCZ8nGv9T/bgBS9D8AAAAAAAAAAADAJ27KRltPACgAAA== | base64 -d >capable.tgz`, `
ADD capable.tgz /opt`},
}

func TestCorpus(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	for _, c := range corpus {
		t.Run(c.name, func(t *testing.T) {
			d := *d
			d.t = t
			context := t.TempDir()
			cmd := exec.Command("sh", "-ec", c.context)
			cmd.Dir = context
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			d.check(alpine, context, "ARG base_image\nFROM ${base_image}\nUSER root"+c.dockerfile+"\nUSER 1000:1000\n")
		})
	}
}

// TestDebian installs real packages.
func TestDebian(t *testing.T) {
	d := newDaemon(t)
	d.check(d.debian(), t.TempDir(), `ARG base_image
FROM ${base_image}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends curl tree && rm -rf /var/lib/apt/lists/*
RUN curl --version && tree --version
RUN apt-get purge -y tree
ARG user_id
ARG group_id
USER ${user_id}:${group_id}
`)
}
