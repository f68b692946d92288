package keys_test

import (
	"fmt"
	"reflect"

	"github.com/baseplan/baseplan/sbom/tomlfile/keys"
)

func ExampleCheck() {
	type settings struct {
		TrustedRoot string `toml:"trusted-root"`
	}
	fmt.Println(keys.Check(reflect.TypeFor[settings](), "toml", []string{"trusted-root"}))
	fmt.Println(keys.Check(reflect.TypeFor[settings](), "toml", []string{"trustedroot"}))
	// Output:
	// <nil>
	// unknown key "trustedroot": did you mean "trusted-root"?
}
