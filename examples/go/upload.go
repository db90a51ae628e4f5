// Stores the request's body, a file of 4 MiB at most: go build -o upload.fcgi upload.go
// UPLOAD_FOLDER=… says where. Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
)

const maxBytes = 4 << 20

var errTooLarge = errors.New("the body is too large")

// store gives the name of the new file. It is ours: one that a client chooses may hold anything.
func store(body io.Reader, folder string) (string, error) {
	if folder == "" {
		return "", errors.New("UPLOAD_FOLDER is not set")
	}
	file, err := os.CreateTemp(folder, "upload-")
	if err != nil {
		return "", err
	}
	length, err := io.Copy(file, io.LimitReader(body, maxBytes+1))
	if err == nil && length > maxBytes {
		err = errTooLarge
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return filepath.Base(file.Name()), nil
}

func main() {
	folder := os.Getenv("UPLOAD_FOLDER")

	log.Fatal(fcgi.Serve(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, err := store(r.Body, folder)
		switch {
		case errors.Is(err, errTooLarge):
			http.Error(w, "Nothing was stored.", http.StatusRequestEntityTooLarge)
		case err != nil:
			log.Print(err)
			http.Error(w, "Nothing was stored.", http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintln(w, name)
		}
	})))
}
