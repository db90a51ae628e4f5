// Shows what the web server says about the request: c++ -O2 -o env.fcgi env.cpp -lfcgi++ -lfcgi
#include <fcgio.h>

#include <ostream>

int main() {
    FCGX_Request request;

    FCGX_Init();
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        fcgi_streambuf buffer(request.out);
        std::ostream out(&buffer);

        out << "Content-Type: text/plain; charset=utf-8\r\n\r\n";
        for (char **variable = request.envp; *variable; ++variable) out << *variable << '\n';
    }
}
