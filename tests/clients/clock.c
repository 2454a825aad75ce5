/* Turns the clocks of the program that it is loaded into (LD_PRELOAD): by as many seconds as the file that CLOCK_FILE
 * names holds, two 64-bit numbers in the machine's own order, for the wall clock and for the one that only goes on. The
 * file may change while the program runs. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *turned;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CLOCK_FILE");
    int file = name ? open(name, O_RDONLY) : -1;
    if (file < 0) {
        return;
    }
    void *page = mmap(0, 2 * sizeof *turned, PROT_READ, MAP_SHARED, file, 0);
    turned = page == MAP_FAILED ? 0 : page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long done = syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && turned && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += turned[0];
    }
    if (done == 0 && turned && clock == CLOCK_MONOTONIC) {
        now->tv_sec += turned[1];
    }
    return (int)done;
}
