package api_test

import (
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/api"
)

func ExampleVersion() {
	v, err := api.Parse("0.12")
	fmt.Println(v, err)
	v, _, err = api.Platform.Check("0.15", "the platform", api.Warn)
	fmt.Println(v, err)
	_, _, err = api.Platform.Check("0.3", "the platform", api.Warn)
	fmt.Println(err)
	// Output:
	// 0.12 <nil>
	// 0.15 <nil>
	// checking the Platform API of the platform: version 0.3 is not supported: use one of 0.7, 0.8, 0.9, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15
}
