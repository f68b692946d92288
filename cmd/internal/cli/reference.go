package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference returns docs/reference/cli.md, the reference of all commands.
func Reference() string {
	var b strings.Builder
	root := Command()
	fmt.Fprintf(&b, "# baseplan\n\n%s\n\n", prose(root.Long))
	b.WriteString("| command | purpose |\n|---|---|\n")
	all := leaves(root)
	for _, cmd := range all {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cell(cmd.Short))
	}
	b.WriteString("\n## Flags of every command\n\n")
	flagTable(&b, root.PersistentFlags())
	for _, cmd := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", cmd.CommandPath(), prose(cmp.Or(cmd.Long, cmd.Short+".")))
		fmt.Fprintf(&b, "```text\n%s\n```\n\n", strings.TrimSpace(cmd.UseLine()))
		flagTable(&b, cmd.LocalNonPersistentFlags())
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(cmd.Example), "\n  ", "\n"))
		}
	}
	return b.String()
}

// leaves returns the commands that can run, in the order of --help.
func leaves(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		switch {
		case sub.Hidden || sub.Name() == "help":
		case sub.HasSubCommands():
			all = append(all, leaves(sub)...)
		default:
			all = append(all, sub)
		}
	}
	return all
}

// prose converts a help text to Markdown; words in capitals or angle brackets are escaped.
func prose(text string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", "\\*").Replace(strings.TrimSpace(text))
}

// cell escapes a text for a table cell.
func cell(text string) string { return strings.ReplaceAll(prose(text), "|", "\\|") }

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString("| flag | meaning |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		usage = cell(usage)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && !strings.Contains(usage, "(default") {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, usage)
	})
}
