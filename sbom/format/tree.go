package format

import (
	"fmt"
	"maps"
	"slices"
)

// checkTree returns an error if an element contains itself, directly or indirectly.
// The map lists the contents of each element.
func checkTree(inside map[string][]string) error {
	type visit struct {
		name string
		next int
	}
	const open, done = 1, 2
	state := map[string]int{}
	for _, root := range slices.Sorted(maps.Keys(inside)) {
		if state[root] != 0 {
			continue
		}
		state[root] = open
		for stack := []visit{{name: root}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			if top.next == len(inside[top.name]) {
				state[top.name] = done
				stack = stack[:len(stack)-1]
				continue
			}
			child := inside[top.name][top.next]
			top.next++
			switch state[child] {
			case open:
				return fmt.Errorf("%s contains itself", clip(child))
			case 0:
				state[child] = open
				stack = append(stack, visit{name: child})
			}
		}
	}
	return nil
}
