// Shows what the web server says about the request: go build -o env.fcgi env.go
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/fcgi"
)

func main() {
	log.Fatal(fcgi.Serve(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s %s\n", r.Method, r.URL.RequestURI())
		r.Header.Write(w)
		// What has no place in a Request.
		for name, value := range fcgi.ProcessEnv(r) {
			fmt.Fprintf(w, "%s=%s\n", name, value)
		}
	})))
}
