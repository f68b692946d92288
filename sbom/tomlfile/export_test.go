package tomlfile

// Lines are the lines of the keys and headers of a valid file.
func Lines(data []byte) []int {
	s := scanner{data: data, keep: true}
	_ = s.scan()
	return s.lines
}
