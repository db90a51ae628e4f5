/* Sends the request's body back while it still arrives, whatever its size: cc -O2 -o echo.fcgi echo.c -lfcgi */
#include <fcgiapp.h>

static char buffer[64 * 1024];

int main(void) {
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray environment;

    while (FCGX_Accept(&in, &out, &err, &environment) >= 0) {
        const char *type = FCGX_GetParam("CONTENT_TYPE", environment);
        int length;

        FCGX_FPrintF(out, "Content-Type: %s\r\n\r\n", type && *type ? type : "application/octet-stream");
        while ((length = FCGX_GetStr(buffer, sizeof buffer, in)) > 0)
            if (FCGX_PutStr(buffer, length, out) < 0)
                break;
    }
    return 0;
}
