/* A workload for tests: one static program that does what its words say, one after the other.
 *
 *   say TEXT        writes a line to standard output        cry TEXT        writes a line to standard error
 *   env             writes its environment                  cat FILE        writes a file
 *   pwd             writes where it is                      id              writes its user and group
 *   exit N          ends                                    sleep           waits for ever
 *   stubborn        from now on pays no heed to SIGTERM     polite          from now on ends with 0 at SIGTERM
 *   eat MIB         takes and uses memory                   spill MIB       writes so much to standard output
 *   serve PORT      answers every connection with "ok"      fork            leaves a child in a session of its own
 *   pause N         waits N milliseconds                    touch FILE      makes a file
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void polite(int signal) {
    (void)signal;
    _exit(0);
}

static void cat(const char *path) {
    char buffer[4096];
    size_t count;
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("no %s\n", path);
        return;
    }
    while ((count = fread(buffer, 1, sizeof buffer, file)) > 0) fwrite(buffer, 1, count, stdout);
    fclose(file);
    printf("\n");
}

static void eat(long mib) {
    for (long i = 0; i < mib; i++) {
        char *piece = malloc(1 << 20);
        if (!piece) {
            printf("no more memory\n");
            exit(9);
        }
        memset(piece, 1, 1 << 20);
    }
    printf("ate\n");
}

static void spill(long mib) {
    char line[64];
    for (long i = 0; i < mib * 16384; i++) {
        snprintf(line, sizeof line, "spilt %056ld", i);
        puts(line);
    }
}

static void serve(int port) {
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
        perror("serve");
        exit(8);
    }
    printf("serving\n");
    for (;;) {
        char request[1024];
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (read(client, request, sizeof request) >= 0) (void)!write(client, answer, sizeof answer - 1);
        close(client);
    }
}

static void leave_child(void) {
    if (fork() != 0) return;
    setsid();
    signal(SIGTERM, SIG_IGN);
    printf("child %d\n", (int)getpid());
    for (;;) pause();
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(word, "say")) { puts(next); i++; }
        else if (!strcmp(word, "cry")) { fprintf(stderr, "%s\n", next); i++; }
        else if (!strcmp(word, "env")) for (char **it = environ; *it; it++) puts(*it);
        else if (!strcmp(word, "cat")) { cat(next); i++; }
        else if (!strcmp(word, "pwd")) { char path[4096]; puts(getcwd(path, sizeof path) ? path : "?"); }
        else if (!strcmp(word, "id")) printf("%d:%d\n", (int)getuid(), (int)getgid());
        else if (!strcmp(word, "exit")) { fflush(NULL); exit(atoi(next)); }
        else if (!strcmp(word, "sleep")) for (;;) pause();
        else if (!strcmp(word, "stubborn")) { signal(SIGTERM, SIG_IGN); puts("stubborn"); }
        else if (!strcmp(word, "polite")) { signal(SIGTERM, polite); puts("polite"); }
        else if (!strcmp(word, "eat")) { eat(atol(next)); i++; }
        else if (!strcmp(word, "spill")) { spill(atol(next)); i++; }
        else if (!strcmp(word, "serve")) { serve(atoi(next)); i++; }
        else if (!strcmp(word, "fork")) leave_child();
        else if (!strcmp(word, "pause")) { usleep(1000 * atol(next)); i++; }
        else if (!strcmp(word, "touch")) { close(open(next, O_CREAT | O_WRONLY, 0644)); i++; }
        else { fprintf(stderr, "what is %s?\n", word); return 64; }
    }
    return 0;
}
