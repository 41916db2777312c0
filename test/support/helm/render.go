// Renders a chart as Helm does, as far as the project's chart needs it: Go's own template engine, the same library of functions, and Helm's own
// functions and objects. It is no Helm: what is not here fails the template instead of rendering to nothing.
//
//	render <chart> <release> <namespace> [values.yaml …]
//
// Prints JSON: {"values": …, "files": {"templates/…": "…"}}.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

// files answers .Files.Get: what is not there is empty, as with Helm.
type files struct{ folder string }

func (f files) Get(name string) string {
	content, err := os.ReadFile(filepath.Join(f.folder, filepath.Clean("/"+name)))
	if err != nil {
		return ""
	}
	return string(content)
}

func main() {
	if len(os.Args) < 4 {
		fail(errors.New("usage: render <chart> <release> <namespace> [values.yaml …]"))
	}
	output, err := render(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(output); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func render(folder, release, namespace string, overrides []string) (object, error) {
	chart, err := readYaml(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	values, err := readYaml(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range overrides {
		override, err := readYaml(file)
		if err != nil {
			return nil, err
		}
		merge(values, override)
	}
	name := chart["name"].(string)
	top := object{
		"Values": values,
		"Chart": object{
			"Name": name, "Version": chart["version"], "AppVersion": chart["appVersion"],
		},
		"Release": object{
			"Name": release, "Namespace": namespace, "Service": "Helm",
			"IsInstall": true, "IsUpgrade": false, "Revision": 1,
		},
		"Files": files{folder},
	}
	rendered, err := execute(folder, name, top)
	return object{"values": values, "files": rendered}, err
}

func execute(folder, chart string, top object) (map[string]string, error) {
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := root.New(chart + "/templates/" + filepath.Base(path)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	rendered := map[string]string{}
	for _, path := range paths {
		base := filepath.Base(path)
		if strings.HasPrefix(base, "_") {
			continue
		}
		name := chart + "/templates/" + base
		top["Template"] = object{"Name": name, "BasePath": chart + "/templates"}
		var out strings.Builder
		if err := root.ExecuteTemplate(&out, name, top); err != nil {
			return nil, err
		}
		rendered["templates/"+base] = strings.ReplaceAll(out.String(), "<no value>", "")
	}
	return rendered, nil
}

func functions(root *template.Template) template.FuncMap {
	funcs := sprig.TxtFuncMap()
	// Helm takes them away: a chart must not read the machine.
	delete(funcs, "env")
	delete(funcs, "expandenv")
	funcs["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	funcs["fromYaml"] = func(text string) object {
		value := object{}
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	funcs["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	funcs["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := root.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	funcs["tpl"] = func(text string, data interface{}) (string, error) {
		clone, err := root.Clone()
		if err != nil {
			return "", err
		}
		parsed, err := clone.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var out strings.Builder
		err = parsed.Execute(&out, data)
		return out.String(), err
	}
	return funcs
}

// merge lays an override over the defaults: maps are merged, null takes a default away, everything else replaces.
func merge(base, override object) {
	for key, value := range override {
		inner, isMap := value.(object)
		existing, wasMap := base[key].(object)
		switch {
		case value == nil:
			delete(base, key)
		case isMap && wasMap:
			merge(existing, inner)
		default:
			base[key] = value
		}
	}
}

func readYaml(path string) (object, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	value := object{}
	return value, yaml.UnmarshalStrict(text, &value)
}
