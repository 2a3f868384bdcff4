/** What the server writes in English, names of steps, notes, the manner's steps, for a page in Chinese. */
const SAID = [
  [/^sum of the products$/, "乘积之和"],
  [/^bias$/, "偏置"],
  [/^sum of the window$/, "窗口之和"],
  [/^mean$/, "平均"],
  [/^the cell that wins$/, "胜出的格子"],
  [/^times the weight of the map$/, "乘以该图的权重"],
  [/^minus the running mean$/, "减去滑动均值"],
  [/^divided by the running deviation$/, "除以滑动标准差"],
  [/^times the scale$/, "乘以缩放"],
  [/^plus the shift$/, "加上平移"],
  [/^sum of the squares$/, "平方和"],
  [/^k \+ alpha \* sum$/, "k + alpha × 和"],
  [/^to the power of beta$/, "beta 次幂"],
  [/^divided by it$/, "除以它"],
  [/^dropout in prediction$/, "预测时的 dropout"],
  [/^handed on$/, "原样传递"],
  [/^a map of zeros$/, "全零的图"],
  [/^sum of the branches$/, "各支之和"],
  [/^minus the largest$/, "减去最大值"],
  [/^sum of the powers$/, "幂之和"],
  [/^probability of the target$/, "目标类别的概率"],
  [/^minus its logarithm$/, "取负对数"],
  [/^the picture$/, "图片"],
  [/^(\d+) cells of the window are equal: the first of them wins\.$/, "窗口中有 $1 格相等：第一格胜出。"],
  [/^In training it is 0 with probability (\S+), and else (.+): the mean stays what it is in prediction\.$/,
    "训练时它以概率 $1 变为 0,否则为 $2:均值与预测时一致。"],
  [/^In training, mean and deviation are those of the batch.*$/, "训练时，均值和标准差取自该批数据，梯度也经过它们。"],
  [/^The slope of a logit is its probability, less 1 at the target: what is too likely is pushed down\.$/,
    "每个 logit 的斜率是其概率，目标类别再减 1:概率过高者被压低。"],
  [/^The loss is that of (\S+) alone, times its weight of (\S+) in training\.$/, "此处的损失只属于 $1，训练时乘以权重 $2。"],
  [/^handed on as it is$/, "原样传递"],
  [/^The picture is in the data's manner already: it stays as it is\.$/, "图片已是数据的样式，保持不变。"],
  [/^The picture in grey\.$/, "转为灰度。"],
  [/^No ink was found: nothing stands out from the paper\.$/, "没有找到墨迹：没有任何笔画。"],
  [/^Dark ink on light paper becomes light on black; .*$/, "浅底深墨变为黑底浅墨；去掉阴影和纸色。"],
  [/^Light ink on dark stays light on black; .*$/, "深底浅墨保持不变；去掉阴影和纸色。"],
  [/^The ink's box, (\d+) x (\d+) pixels; (\d+) smaller specks are left out\.(.*)$/, "墨迹的外框为 $1 × $2 像素；略去 $3 个小斑点。"],
  [/^There seem to be several figures.*$/, "图中似乎有多个字：认单个字的网络会把它们当成一个。"],
  [/^Strokes (\S+) pixels wide become (\S+)\.$/, "笔画宽度由 $1 像素变为 $2 像素。"],
  [/^The longer side becomes (\d+) of (\d+) pixels, the box goes to the middle\.$/, "较长一边变为 $1 像素(全图 $2),外框居中。"],
  [/^The longer side becomes (\d+) of (\d+) pixels, the centre of mass goes to the middle\.$/, "较长一边变为 $1 像素(全图 $2),重心居中。"],
];

/** A sentence of the server's in the page's language, where it is known in it. */
export function server(lang, sentence) {
  if (lang !== "zh") return sentence;
  const known = SAID.find(([pattern]) => pattern.test(sentence));
  return known ? sentence.replace(...known) : sentence;
}
