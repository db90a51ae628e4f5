/*
 * Sends the request's body back, whatever its size: cc -O2 -o echo.fcgi echo.c -lfcgi
 * The body is read to its end first: nginx stops sending it as soon as the answer has begun.
 */
#include <fcgiapp.h>
#include <stdio.h>

static char buffer[64 * 1024];

int main(void) {
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray environment;

    while (FCGX_Accept(&in, &out, &err, &environment) >= 0) {
        const char *type = FCGX_GetParam("CONTENT_TYPE", environment);
        FILE *body = tmpfile();
        int length;

        if (!body) {
            FCGX_FPrintF(out, "Status: 500\r\n\r\n");
            continue;
        }
        while ((length = FCGX_GetStr(buffer, sizeof buffer, in)) > 0)
            fwrite(buffer, 1, length, body);
        rewind(body);
        FCGX_FPrintF(out, "Content-Type: %s\r\n\r\n", type && *type ? type : "application/octet-stream");
        while ((length = fread(buffer, 1, sizeof buffer, body)) > 0)
            if (FCGX_PutStr(buffer, length, out) < 0)
                break;
        fclose(body);
    }
    return 0;
}
