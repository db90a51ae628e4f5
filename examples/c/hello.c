/* The smallest FastCGI program: cc -O2 -o hello.fcgi hello.c -lfcgi */
#include <fcgi_stdio.h>
#include <stdlib.h>

int main(void) {
    int count = 0;

    while (FCGI_Accept() >= 0) {
        const char *name = getenv("QUERY_STRING");

        printf("Content-Type: text/plain; charset=utf-8\r\n\r\n");
        printf("Hello, %s! This process has answered %d requests.\n", name && *name ? name : "world", ++count);
    }
    return 0;
}
