// The smallest FastCGI program in C++: c++ -O2 -o hello.fcgi hello.cpp -lfcgi++ -lfcgi
#include <fcgio.h>

#include <ostream>

int main() {
    int count = 0;
    FCGX_Request request;

    FCGX_Init();
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        fcgi_streambuf buffer(request.out);
        std::ostream out(&buffer);

        out << "Content-Type: text/plain; charset=utf-8\r\n\r\n"
            << "Hello from C++! This process has answered " << ++count << " requests.\n";
    }
}
