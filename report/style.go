package report

import "html/template"

// Style is the style sheet of every page that this project makes.
func Style() template.CSS { return template.CSS(pageCSS) }

// Shell is a command line quoted for a POSIX shell.
func Shell(command []string) string { return shell(command) }
