package tomlfile_test

import (
	"fmt"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// An error names the file and the line.
func ExampleDecode() {
	var order struct {
		Order []struct {
			Group []struct{ ID string }
		}
	}
	err := tomlfile.Decode([]byte("[[order]]\n[[order.group]]\nid = \"acme/app\"\n"), "order.toml", &order)
	fmt.Println(order.Order[0].Group[0].ID, err)
	fmt.Println(tomlfile.Decode([]byte("[[order]]\nid = acme\n"), "order.toml", &order))
	// Output:
	// acme/app <nil>
	// reading order.toml, line 2: expected value but found "acme" instead
}
