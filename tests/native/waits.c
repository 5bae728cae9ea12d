/* Gets a signal, and then waits for another one, before Python can look whether there was any. */
#include <signal.h>
#include <unistd.h>

int raise_and_wait(int number) {
    return raise(number) + pause();
}
