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

// TestBrowser looks at three pages in headless Chromium: at the widths of a phone, a tablet and desks, light and dark.
// Without JavaScript, they look the same. BASEPLAN_E2E_PICTURES=DIR keeps the pictures.
func TestBrowser(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal("there is no chromium: on Debian, install the package chromium (.ci/e2e does)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox) // root has no sandbox
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	browser, stop := chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	for name, p := range samples() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.html")
			if err := os.WriteFile(file, p.HTML(), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, width := range []int64{360, 768, 1280, 1920} {
				t.Run(fmt.Sprint(width), func(t *testing.T) {
					light := look(t, browser, "file://"+file, &visit{width: width, scheme: "light", script: true})
					dark := look(t, browser, "file://"+file, &visit{width: width, scheme: "dark", script: true})
					if light < 0.8 || dark > 0.3 {
						t.Errorf("mean brightness %.2f in light, %.2f in dark", light, dark)
					}
					if width > 768 {
						return
					}
					if without := look(t, browser, "file://"+file, &visit{width: width, scheme: "light"}); without != light {
						t.Error("the page looks different without JavaScript")
					}
				})
			}
		})
	}
}

// look visits a page and returns its mean brightness, from 0 to 1.
func look(t *testing.T, browser context.Context, url string, v *visit) float64 {
	t.Helper()
	v.look(t, browser, url)
	return v.check(t)
}

// A visit is one look at the page.
type visit struct {
	width  int64
	scheme string
	script bool

	mu       sync.Mutex
	messages []string // console and log
	requests []string

	scrollWidth float64
	shown       []string // forms of the graph
	faults      []string // what is wrong with the text
	text        string
	picture     []byte
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
	v.shown = ask(t, tab, chromedp.Evaluate[[]string](`[...document.querySelectorAll("figure > *")].filter(e => e.getBoundingClientRect().width > 0).map(e => e.getAttribute("class"))`))
	v.picture = ask(t, tab, chromedp.FullScreenshot(100))
	v.faults = ask(t, tab, chromedp.Evaluate[[]string](faults))
	v.text = ask(t, tab, chromedp.Text(chromedp.CSS("main")))
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
	want := map[int64]string{360: "narrow", 768: "medium", 1280: "wide", 1920: "wide"}[v.width]
	if len(v.shown) != 1 || v.shown[0] != want {
		t.Errorf("graphs %q, want %s", v.shown, want)
	}
	if len(v.faults) > 0 {
		t.Errorf("%d faults: %q", len(v.faults), v.faults[:min(9, len(v.faults))])
	}
	for _, want := range []string{"extensions skipped; run image", "Source of the SBOM", "is followed by 2 others", "acme/watch@0.0.1"} {
		if !strings.Contains(v.text, want) {
			t.Errorf("%q cannot be read", want)
		}
	}
	if dir := os.Getenv("BASEPLAN_E2E_PICTURES"); dir != "" {
		name := fmt.Sprintf("%s-%s-script=%t.png", strings.ReplaceAll(t.Name(), "/", "-"), v.scheme, v.script)
		if err := os.WriteFile(filepath.Join(dir, name), v.picture, 0o600); err != nil {
			t.Error(err)
		}
	}
	return brightness(t, v.picture)
}

// brightness gives the mean brightness of a picture, from 0 to 1.
func brightness(t *testing.T, picture []byte) float64 {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(picture))
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
	return sum / float64(n)
}

// faults opens all sections and lists what is wrong: words on two lines, text outside of its box or of the page, edges
// across boxes.
const faults = `(() => {
	const faults = [];
	document.querySelectorAll("details").forEach(d => d.open = true);
	if (document.documentElement.scrollWidth > innerWidth) faults.push("opened, the page is " + document.documentElement.scrollWidth + " px wide");
	const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
	for (let node; node = walker.nextNode();) {
		for (const word of node.data.matchAll(/[^\s\/@,:-]+/g)) {
			const range = document.createRange();
			range.setStart(node, word.index);
			range.setEnd(node, word.index + word[0].length);
			const rects = [...range.getClientRects()];
			if (new Set(rects.map(r => Math.round(r.top))).size > 1) faults.push("broken: " + word[0]);
			const box = node.parentElement.closest("svg, .scroll, figure");
			for (const r of rects) {
				if (!box && r.right > innerWidth + 1) faults.push("beyond the page: " + word[0]);
			}
		}
	}
	for (const text of document.querySelectorAll("svg g text")) {
		const t = text.getBoundingClientRect(), r = text.parentElement.querySelector("rect").getBoundingClientRect();
		if (t.left < r.left || t.right > r.right || t.top < r.top || t.bottom > r.bottom) faults.push("outside of its box: " + text.textContent);
	}
	const seen = [...document.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 0);
	for (const svg of seen) {
		const boxes = [...svg.querySelectorAll("rect")].map(r => r.getBBox());
		for (const path of svg.querySelectorAll("g path")) {
			const length = path.getTotalLength();
			for (let at = 1; at < length - 1; at += 8) {
				const p = path.getPointAtLength(at);
				if (boxes.some(b => p.x > b.x && p.x < b.x + b.width && p.y > b.y && p.y < b.y + b.height)) {
					faults.push("across a box: " + path.getAttribute("d"));
					break;
				}
			}
		}
	}
	for (const e of document.querySelectorAll("main *")) {
		if (getComputedStyle(e).overflowX === "hidden" && e.scrollWidth > e.clientWidth) faults.push("clipped: " + e.tagName);
	}
	return faults;
})()`
