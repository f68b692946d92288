package keyless

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
)

const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

// TestServe: what is not a request is answered with an error, and never with a signer.
func TestServe(t *testing.T) {
	frame := func(size uint32, data string) string {
		return string(binary.BigEndian.AppendUint32(nil, size)) + data
	}
	never := func(context.Context, Request) (Signer, error) {
		t.Error("it was verified")
		return Signer{}, nil
	}
	for in, want := range map[string]string{
		"":                        "length",
		"\x00\x00":                "length",
		frame(10, "{}"):           "ends after 2 of 10 bytes",
		frame(1<<32-1, "{}"):      "over the limit",
		frame(2, "[]"):            "array",
		frame(0, ""):              "end of JSON",
		frame(4, `{"a":1}`):       "end of JSON",
		frame(8, `{"digest":1}`):  "JSON",
		frame(12, `{"digest":1}`): "number",
	} {
		var out bytes.Buffer
		if err := Serve(t.Context(), strings.NewReader(in), &out, never); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%q: got %v and %q, want an error with %q", in, err, out.String(), want)
		}
	}
}

// TestFramesOfEveryLength: no length of a frame is special.
func TestFramesOfEveryLength(t *testing.T) {
	for size := range 8193 {
		var in, out bytes.Buffer
		bundle := bytes.Repeat([]byte("x"), size)
		request := Request{Bundle: bundle, Digest: digest}
		check(t, writeFrame(&in, request))
		check(t, Serve(t.Context(), &in, &out, func(_ context.Context, r Request) (Signer, error) {
			return Signer{Subject: string(r.Bundle)}, nil
		}))
		var got Signer
		check(t, readFrame(&out, &got))
		if got.Subject != string(bundle) || in.Len() > 0 || out.Len() > 0 {
			t.Fatalf("%d bytes came back as %d", size, len(got.Subject))
		}
	}
}

func FuzzServe(f *testing.F) {
	var seed bytes.Buffer
	if err := writeFrame(&seed, Request{TrustedRoot: []byte("{}"), Bundle: []byte("{}"), Digest: digest}); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		served := false
		err := Serve(t.Context(), bytes.NewReader(in), &out, func(context.Context, Request) (Signer, error) {
			served = true
			return Signer{}, nil
		})
		if served != (err == nil) || (out.Len() > 0) != served {
			t.Errorf("served %t, error %v, %d bytes", served, err, out.Len())
		}
	})
}

func TestCheckRoot(t *testing.T) {
	for data, want := range map[string]string{
		`{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`: "",
		`{"mediaType": "text/plain"}`: `the media type is "text/plain"`,
		`{}`:                          "not a trusted root",
		`-----BEGIN PUBLIC KEY-----`:  "not JSON",
	} {
		if err := CheckRoot([]byte(data)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", data, err, want)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
