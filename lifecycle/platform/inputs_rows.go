package platform

// An InputRow is a row of the table of inputs, for documentation.
type InputRow struct {
	Flag, Env, Default string // without the dash; empty: none
	From, Until        uint   // minor versions of the Platform API, Until is exclusive; 0: unlimited
	Help               string
	Several            bool // the flag is repeatable
	Own                bool // added by baseplan, not in the specification
}

// InputRows returns the inputs of one phase, in the order of [Usage].
func InputRows(p Phase) []InputRow {
	var rows []InputRow
	for i, r := range table {
		if !r.in.has(p) {
			continue
		}
		value := r.to(&Inputs{})
		_, several := value.(*list)
		rows = append(rows, InputRow{
			Flag: r.flag, Env: r.env, Default: r.def, From: r.from, Until: r.until,
			Help: r.help, Several: several, Own: i >= len(specified),
		})
	}
	return rows
}
