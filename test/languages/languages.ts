import { versionOf } from "../compatibility/version-of.ts";

/** A language, or a way to write FastCGI programs in it, and its three programs below examples/. */
export interface Language {
  /** The file that a reader looks at first: the column's name in the table. */
  readonly example: string;
  readonly version: () => string;
  /** What the web server is asked for. */
  readonly hello: string;
  readonly env: string;
  readonly upload: string;
  /** A process for each request, none between them. */
  readonly isCgi?: boolean;
}

const c = versionedBy("C", "gcc", "-dumpfullversion");

/** All that are tested. */
export const LANGUAGES: readonly Language[] = [
  { example: "c/hello.c", version: c, ...programs("c") },
  { example: "cpp/hello.cpp", version: versionedBy("C++", "g++", "-dumpfullversion"), ...programs("cpp") },
  {
    example: "perl/hello.fcgi",
    version: versionedBy("Perl FCGI", "perl", "-MFCGI", "-e", "print $FCGI::VERSION"),
    ...programs("perl"),
  },
  {
    example: "cgi-fast/hello.fcgi",
    version: versionedBy("CGI::Fast", "perl", "-MCGI::Fast", "-e", "print $CGI::Fast::VERSION"),
    ...programs("cgi-fast"),
  },
  {
    example: "plack/hello.fcgi",
    version: versionedBy("Plack", "perl", "-MPlack", "-e", "print $Plack::VERSION"),
    ...programs("plack"),
  },
  { example: "lua/hello.fcgi", version: versionedBy("LuaJIT", "luajit", "-v"), ...programs("lua") },
  { example: "php/hello.php", version: versionedBy("PHP", "php-cgi", "-v"), ...programs("php", ".php") },
  {
    example: "python/hello.fcgi",
    version: versionedBy("Python", "/usr/bin/python3", "-V"),
    ...programs("python"),
  },
  { example: "ruby/hello.fcgi", version: versionedBy("Ruby", "/usr/bin/ruby", "-v"), ...programs("ruby") },
  { example: "go/hello.go", version: versionedBy("Go", "go", "version"), ...programs("go") },
  { example: "node/hello.fcgi", version: versionedBy("Node.js", "node", "-v"), ...programs("node") },
  {
    example: "shell/hello.cgi",
    version: versionedBy("CGI, dash", "dpkg", "-s", "dash"),
    ...programs("shell", ".cgi"),
    isCgi: true,
  },
  { example: "bun/hello.fcgi", version: () => `Bun ${Bun.version}`, ...programs("bun") },
];

function programs(folder: string, extension = ".fcgi") {
  const at = (name: string) => `${folder}/${name}${extension}`;
  return { hello: at("hello"), env: at("env"), upload: at("upload") };
}

function versionedBy(name: string, ...argv: [string, ...string[]]): () => string {
  return () => `${name} ${versionOf(...argv)}`;
}
