// press DEVICE WORDS: presses the first button of a camera whose name holds these words. The virtual driver's buttons make errors.
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int count, char **words) {
  if (count != 3) return 2;
  int device = open(words[1], O_RDWR | O_NONBLOCK);
  struct v4l2_queryctrl query = {.id = V4L2_CTRL_FLAG_NEXT_CTRL};
  for (; !ioctl(device, VIDIOC_QUERYCTRL, &query); query.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
    if (query.type != V4L2_CTRL_TYPE_BUTTON || !strstr((char *)query.name, words[2])) continue;
    struct v4l2_control press = {.id = query.id};
    int failed = ioctl(device, VIDIOC_S_CTRL, &press);
    puts(failed ? "refused" : "done");
    return failed;
  }
  puts("no such button");
  return 1;
}
