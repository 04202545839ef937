/* The floor's own PID 1 as a program without a library, executed out of a sealed memfd. */
#include "sandbox.h"

__attribute__((force_align_arg_pointer)) void _start(void) { sandbox(1); }

/* The compiler may call them for initializers. */
void *memcpy(void *to, const void *from, size_t length) {
  for (size_t i = 0; i < length; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
  return to;
}
void *memset(void *to, int value, size_t length) {
  for (size_t i = 0; i < length; i++) ((volatile char *)to)[i] = (char)value;
  return to;
}
