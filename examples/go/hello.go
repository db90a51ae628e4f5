// The smallest FastCGI program in Go: go build -o hello.fcgi hello.go
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/fcgi"
	"sync/atomic"
)

func main() {
	var count int64 // requests may be answered at the same time

	log.Fatal(fcgi.Serve(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Hello from Go! This process has answered %d requests.\n", atomic.AddInt64(&count, 1))
	})))
}
