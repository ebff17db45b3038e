// Expands texts as their consumers do: the first of each pair as Prometheus does (Go's text/template), the second as a
// kubelet does ($(NAME) in command, args and env).
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"

	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var pairs [][2]string
	must(json.NewDecoder(os.Stdin).Decode(&pairs))
	for i, pair := range pairs {
		var text strings.Builder
		parsed, err := template.New("text").Parse(pair[0])
		must(err)
		must(parsed.Execute(&text, nil))
		pairs[i] = [2]string{text.String(), expansion.Expand(pair[1], func(string) string { return "EXPANDED" })}
	}
	must(json.NewEncoder(os.Stdout).Encode(pairs))
}
