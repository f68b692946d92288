package platform

// An InputRow is one line of the table of inputs, as documentation shows it.
type InputRow struct {
	Flag, Env, Default string // without the dash; empty: there is none
	From, Until        uint   // minor versions of the Platform API: from which it is there, and from which no longer; 0: always
	Help               string
	Several            bool // it may be given several times
	Own                bool // baseplan's, not the specification's
}

// InputRows are the inputs of one phase, in the order of [Usage].
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
