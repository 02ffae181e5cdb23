/*
 * Remembers what a power cut cannot take: loaded before the C library, it keeps a copy of each file of SQLite's as it was
 * when it was last synced. The copies are in the folder that REGCRED_TEST_SHADOW names, each under the name of its file.
 *
 * What was written since is in none of them. So they are the worst that a power cut leaves of what was confirmed. They are
 * not the worst of all: a real one may leave some of the later writes too, in any order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One sync after the other, or an older copy could take the place of a newer one. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what)
{
    perror(what);
    abort();
}

/*
 * Copies the file behind a descriptor; false if it is none of SQLite's, which it reads too, or nobody asks. It is read through
 * this very descriptor: with the closing of another one the process would lose its locks on the file.
 */
static int copy(int from, char *copied, char *final, size_t size)
{
    const char *shadow = getenv("REGCRED_TEST_SHADOW");
    char link[64], path[4096], buffer[65536];
    struct stat about;
    if (!shadow || fstat(from, &about) || !S_ISREG(about.st_mode) || (fcntl(from, F_GETFL) & O_ACCMODE) != O_RDWR)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", from);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        fail("readlink");
    path[length] = 0;
    const char *name = strrchr(path, '/') + 1;
    snprintf(copied, size, "%s/%s.copied", shadow, name);
    snprintf(final, size, "%s/%s", shadow, name);

    int to = open(copied, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        fail(copied);
    off_t at = 0;
    for (ssize_t read; (read = pread(from, buffer, sizeof buffer, at)) != 0; at += read)
        if (read < 0 || write(to, buffer, read) != read)
            fail(copied);
    close(to);
    return 1;
}

/*
 * The copy is taken before the sync: what others write while it lasts is not promised. It counts once the sync has
 * succeeded, and before anybody is told. Others may write while it is taken; then it holds a part of that too.
 */
static int synced(long call, int descriptor)
{
    char copied[8192], final[8192];
    pthread_mutex_lock(&turn);
    int is_file = copy(descriptor, copied, final, sizeof copied);
    int result = syscall(call, descriptor);
    if (is_file && result == 0 && rename(copied, final))
        fail(final);
    pthread_mutex_unlock(&turn);
    return result;
}

int fsync(int descriptor)
{
    return synced(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    return synced(SYS_fdatasync, descriptor);
}
