/*
 * Stores the request's body, a file of 4 MiB at most: cc -O2 -o upload.fcgi upload.c -lfcgi
 * UPLOAD_FOLDER=… says where. Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
 */
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES (4L << 20)

static char buffer[64 * 1024];

/* 201 when all of the body is in the file; else the status that says why not. */
static int store(FCGX_Stream *in, int file) {
    long total = 0;
    int length;

    while ((length = FCGX_GetStr(buffer, sizeof buffer, in)) > 0) {
        if ((total += length) > MAX_BYTES)
            return 413;
        if (write(file, buffer, length) != length)
            return 500;
    }
    return 201;
}

int main(void) {
    const char *folder = getenv("UPLOAD_FOLDER");
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray environment;

    while (FCGX_Accept(&in, &out, &err, &environment) >= 0) {
        char path[4096];
        int file, status;

        /* The name is ours: one that a client chooses may hold anything. */
        snprintf(path, sizeof path, "%s/upload-XXXXXX", folder ? folder : "");
        file = folder ? mkstemp(path) : -1;
        status = file < 0 ? 500 : store(in, file);
        if (file >= 0 && close(file) != 0)
            status = 500;
        if (file >= 0 && status != 201)
            unlink(path);
        FCGX_FPrintF(out, "Status: %d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", status);
        FCGX_FPrintF(out, "%s\n", status == 201 ? path + strlen(folder) + 1 : "Nothing was stored.");
    }
    return 0;
}
