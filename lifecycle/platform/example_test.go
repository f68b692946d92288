package platform_test

import (
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A platform reads what the analyzer found.
func ExampleDecodeAnalyzed() {
	analyzed, err := platform.DecodeAnalyzed([]byte("[run-image]\nimage = \"registry.example/run:1\"\nextend = true\n"), "analyzed.toml")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(analyzed.RunImage.Image, analyzed.RunImage.Extend)
	// Output: registry.example/run:1 true
}
