package format

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

func decodeCycloneDXXML(r io.Reader) (*inventory, error) {
	var c cdxDocument
	d := xml.NewTokenDecoder(&limitedTokens{d: xml.NewDecoder(r)})
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if err := onlySpace(d); err != nil {
		return nil, err
	}
	return c.inventory(), nil
}

// onlySpace returns an error if an element follows the document.
func onlySpace(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			return errors.New("an element follows the end of the document")
		}
	}
}

// maxXMLDepth limits the nesting of elements. Real documents need ten levels.
const maxXMLDepth = 1000

// singletons are the elements that may occur only once in one of singletonParents.
// (A <versions> of a vulnerability has many <version>.)
var singletons = map[string]uint{
	"metadata": 1 << 0, "components": 1 << 1, "properties": 1 << 2, "name": 1 << 3, "version": 1 << 4, "group": 1 << 5, "purl": 1 << 6,
}

var singletonParents = map[string]bool{"bom": true, "metadata": true, "component": true, "tool": true}

// limitedTokens returns an error for documents that are nested too deeply, have too
// many elements, or repeat a singleton, before they use memory.
type limitedTokens struct {
	d     *xml.Decoder
	count int
	open  []openElement
}

type openElement struct {
	name string
	seen uint // bits of the singletons seen in it
}

// Token implements [xml.TokenReader].
func (l *limitedTokens) Token() (xml.Token, error) {
	token, err := l.d.RawToken()
	switch t := token.(type) {
	case xml.StartElement:
		if l.count++; l.count > maxElements {
			return nil, errTooMany
		}
		if len(l.open) == maxXMLDepth {
			return nil, fmt.Errorf("elements are nested deeper than %d", maxXMLDepth)
		}
		if bit := singletons[t.Name.Local]; bit != 0 && len(l.open) > 0 {
			in := &l.open[len(l.open)-1]
			if in.seen&bit != 0 && singletonParents[in.name] {
				return nil, fmt.Errorf("element <%s> occurs twice in a <%s>", t.Name.Local, in.name)
			}
			in.seen |= bit
		}
		for i, a := range t.Attr {
			for _, b := range t.Attr[:i] {
				if a.Name == b.Name {
					return nil, fmt.Errorf("attribute %s occurs twice in <%s>", a.Name.Local, clip(t.Name.Local))
				}
			}
			if i > 100 {
				return nil, fmt.Errorf("<%s> has more than 100 attributes", clip(t.Name.Local))
			}
		}
		l.open = append(l.open, openElement{name: t.Name.Local})
	case xml.EndElement:
		if len(l.open) > 0 {
			l.open = l.open[:len(l.open)-1]
		}
	}
	return token, err
}
