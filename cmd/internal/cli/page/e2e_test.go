//go:build e2e

package page_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestBrowser looks at the page in headless Chromium: at phone and desktop width, light and dark, with JavaScript
// and without.
func TestBrowser(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal("there is no chromium: on Debian, install the package chromium (.ci/e2e does)")
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, sample().HTML(), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox) // root has no sandbox
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	browser, stop := chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	brightness := map[string]float64{}
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			for _, script := range []bool{true, false} {
				name := fmt.Sprintf("%d-%s-script=%t", width, scheme, script)
				t.Run(name, func(t *testing.T) {
					v := visit{width: width, scheme: scheme, script: script}
					v.look(t, browser, "file://"+file)
					brightness[name] = v.check(t)
				})
			}
		}
	}
	for _, width := range []int{390, 1280} {
		light, dark := brightness[fmt.Sprintf("%d-light-script=true", width)], brightness[fmt.Sprintf("%d-dark-script=true", width)]
		if light < 0.8 || dark > 0.3 {
			t.Errorf("at %d px: mean brightness %.2f in light, %.2f in dark", width, light, dark)
		}
		for _, scheme := range []string{"light", "dark"} {
			with, without := brightness[fmt.Sprintf("%d-%s-script=true", width, scheme)], brightness[fmt.Sprintf("%d-%s-script=false", width, scheme)]
			if with != without {
				t.Errorf("at %d px, %s: the page looks different without JavaScript", width, scheme)
			}
		}
	}
}

// A visit is one look at the page.
type visit struct {
	width  int64
	scheme string
	script bool

	mu       sync.Mutex
	messages []string // console and log
	requests []string

	scrollWidth, narrow, wide float64
	text                      string
	picture                   []byte
}

func (v *visit) look(t *testing.T, browser context.Context, url string) {
	t.Helper()
	tab, stop := chromedp.NewContext(browser)
	defer stop()
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	tab, stop = context.WithTimeout(tab, 2*time.Minute)
	defer stop()
	if err := errors.Join(chromedp.Listen(tab, v.listen), v.prepare(tab), chromedp.Do(tab, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("footer")))); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{}); err != nil {
		t.Fatal(err) // the page is there; only the questions below need scripts
	}
	v.scrollWidth = ask(t, tab, chromedp.Evaluate[float64]("document.documentElement.scrollWidth"))
	v.narrow = ask(t, tab, chromedp.Evaluate[float64](`document.querySelector("svg.narrow").getBoundingClientRect().width`))
	v.wide = ask(t, tab, chromedp.Evaluate[float64](`document.querySelector("svg.wide").getBoundingClientRect().width`))
	v.text = ask(t, tab, chromedp.Text(chromedp.CSS("main")))
	v.picture = ask(t, tab, chromedp.FullScreenshot(100))
}

// prepare makes the tab the kind of window that looks.
func (v *visit) prepare(tab context.Context) error {
	_, err1 := chromedp.Call(tab, log.Enable, cdp.Empty{})
	_, err2 := chromedp.Call(tab, network.Enable, network.EnableParams{})
	_, err3 := chromedp.Call(tab, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: 900, DeviceScaleFactor: 1, Mobile: v.width < 600})
	_, err4 := chromedp.Call(tab, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}})
	_, err5 := chromedp.Call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !v.script})
	return errors.Join(err1, err2, err3, err4, err5)
}

func ask[T any](t *testing.T, tab context.Context, question chromedp.Action[T]) T {
	t.Helper()
	answer, err := chromedp.Run(tab, question)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (v *visit) listen(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		v.messages = append(v.messages, string(e.Type))
	case *runtime.EventExceptionThrown:
		v.messages = append(v.messages, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		v.messages = append(v.messages, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			v.requests = append(v.requests, e.Request.URL)
		}
	}
}

// check gives the mean brightness of the page, from 0 to 1.
func (v *visit) check(t *testing.T) float64 {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.messages) > 0 {
		t.Errorf("the console says %q", v.messages)
	}
	if len(v.requests) != 1 {
		t.Errorf("requests: %q, want that of the page alone", v.requests)
	}
	if v.scrollWidth != float64(v.width) {
		t.Errorf("the page is %.0f px wide in a window of %d", v.scrollWidth, v.width)
	}
	if phone := v.width < 600; (v.narrow > 0) != phone || (v.wide > 0) == phone {
		t.Errorf("graph for phones %.0f px, for desks %.0f px", v.narrow, v.wide)
	}
	for _, want := range []string{"still to be applied: acme/php-gd@0.3.0", "pkg:deb/debian/curl", "another USER follows", "is followed by 2 others"} {
		if !strings.Contains(v.text, want) {
			t.Errorf("%q cannot be read", want)
		}
	}
	img, _, err := image.Decode(bytes.NewReader(v.picture))
	if err != nil {
		t.Fatal(err)
	}
	colors, sum, n := map[uint32]bool{}, 0.0, 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			r, g, b, _ := img.At(x, y).RGBA()
			colors[r>>8<<16|g>>8<<8|b>>8] = true
			sum, n = sum+float64(r+g+b)/3/0xffff, n+1
		}
	}
	if len(colors) < 20 {
		t.Errorf("the picture has %d colors: it is blank", len(colors))
	}
	if dir := os.Getenv("BASEPLAN_E2E_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".png"), v.picture, 0o600); err != nil {
			t.Error(err)
		}
	}
	return sum / float64(n)
}
