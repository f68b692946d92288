package abi_test

import (
	"fmt"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

func ExampleKeptXattr() {
	fmt.Println(abi.KeptXattr("security.capability"), abi.KeptXattr("security.selinux"))
	// Output: true false
}
