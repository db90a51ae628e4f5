/* Shows what the web server says about the request: cc -O2 -o env.fcgi env.c -lfcgi */
#include <fcgiapp.h>

int main(void) {
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray environment;

    while (FCGX_Accept(&in, &out, &err, &environment) >= 0) {
        FCGX_FPrintF(out, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
        for (char **variable = environment; *variable; variable++)
            FCGX_FPrintF(out, "%s\n", *variable);
    }
    return 0;
}
