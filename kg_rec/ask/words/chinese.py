"""Chinese."""

from __future__ import annotations

from kg_rec.ask.words.base import Words, split, spread

_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_TENS = {"十": 10, **{f"{d}十": 10 * n for d, n in _DIGITS.items() if n > 1 and d != "两"}}
_NUMBERS = {
    **_DIGITS,
    **_TENS,
    **{f"{t}{d}": n + m for t, n in _TENS.items() for d, m in _DIGITS.items() if m},
    **{f"{d}个半": n + 0.5 for d, n in _DIGITS.items() if n},
    "百": 100,
    **{f"{d}百": 100 * n for d, n in _DIGITS.items() if n},
    **{f"{d}千": 1000 * n for d, n in _DIGITS.items() if n},
}
_MEASURE = (
    "部",
    "个",
    "件",
    "款",
    "本",
    "张",
    "只",
    "双",
    "顶",
    "把",
    "盏",
    "台",
    "条",
    "种",
    "位",
    "名",
    "样",
    "部电影",
    "部片子",
    *"副对套支枚瓶罐盒袋份架幅串辆杯册篇",
)

CHINESE = Words(
    code="zh",
    plain={
        "not": split(
            """
            不要, 别, 不是, 除了, 没有, 不想看, 不想要, 讨厌, 不喜欢, 排除, 非, 不含, 去掉, 不, 不看, 不买, 无, 除去, 除开, 不包括, 别给我, 别推荐, 不要推荐, 避免, 避开, 也不要,
            不想, 不爱看, 不爱, 也不是, 并非, 而不是, 不能是, 不要有, 不带, 没, 已经看过, 已看过, 已经有, 拒绝, 不用, 受够了, 看腻了, 厌倦, 不考虑, 千万别, 千万不要, 不需要, 不可以是, 恨, 别再, 不要再, 剔除, 跳过, 不来自
            """
        ),
        "like": split("像, 类似, 类似于, 相似, 喜欢, 差不多, 一样, 爱看, 相似的, 类似的, 风格, 同类, 那样, 那种, 似的, 好像, 如同, 喜爱, 很喜欢, 接近, 爱, 之类"),
        "but": split("但, 但是, 不过, 可是, 然而, 而, 只是, 却"),
        "or": split("或者, 或, 还是, 或是, 要么"),
        "and": split("和, 与, 以及, 并且, 、, 跟, 还有, 同时, 加上, 及, 并, 而且, 且, 又"),
        "only": split("只要, 只, 仅, 仅限, 只看, 只想看, 只想要, 只有, 只买, 限定"),
        "more": split("更, 更加, 再, 更多, 多一点, 多一些, 多点, 还要, 更为, 多"),
        "less": split("别那么, 不要太, 没那么, 少, 少一点, 少点, 不那么, 别太, 不太, 不要那么, 少些, 不要这么, 别这么"),
        "why": split("为什么, 为何, 为啥, 怎么会, 理由, 解释, 凭什么, 凭啥, 怎么会有, 怎么选的, 依据是什么, 为什么推荐, 为什么是, 原因, 什么原因"),
        "why not": split("为什么没有, 为什么不, 怎么没有, 为什么不是, 为何没有, 为啥没有, 为什么不推荐, 为什么没推荐, 怎么不推荐, 为什么没, 怎么没, 咋没有, 咋没, 为啥没, 为啥不, 为何不, 怎么看不到, 哪去了, 去哪了, 怎么不见"),
        "another": split("再来, 换一批, 下一批, 继续, 再推荐, 再给我, 还要, 还有吗, 还有别的吗, 还有没有, 换一换, 更多, 再来点, 再来一些, 再来几部, 再来几个, 下一页, 其他的呢, 换一组, 另外"),
        "reset": split("重新开始, 重来, 清空, 从头, 从头来, 忘掉, 重置, 从头开始, 重新来, 全部忘掉, 清除, 全部清除, 推倒重来, 换个话题, 不聊这个了, 重新找"),
        "around": split("大约, 大概, 约, 差不多"),
        "between": split("介于, 在"),
        "to": split("到, 至"),
        "same": split("同一, 相同, 同样, 同, 一样的, 同一个, 相同的, 同样的, 同个"),
        "than": split("比, 比起, 相比"),
        "of": split("的"),
        "item": split("电影, 片子, 片, 影片, 商品, 东西, 产品, 礼物, 作品, 故事片, 长片, 货"),
        "measure": _MEASURE,
        "from": split("来自, 由, 产自, 出自, 带, 含"),
        "half": split("半"),
        "decade": split("年代"),
        "recent": split("最近, 最近的, 近期, 近期的"),
        "past": split("近, 过去, 这"),
        "ask": split("推荐, 想看, 我想看, 想买, 我想买, 找, 帮我找, 给我推荐, 给我, 来一部, 来部, 想找, 求"),
        "absent": split("缺, 漏, 漏掉, 不见, 不在"),
        "excluded": split("都看过了, 都看过, 都看完了, 都有了, 除外, 以外, 之外, 排除在外, 就算了, 就不用了, 就不要了, 免了, 免谈"),
        "people": split("人, 人份, 个人, 口人, 人用"),
        "them": split("这些, 那些, 它们, 它, 其中, 呢, 一点的"),
        "filler": split(
            """
            我, 想看, 想, 看, 推荐, 给我, 来, 点, 一点, 一些, 一部, 一个, 一件, 一款, 一下, 一起, 一同, 一直, 一般, 一会儿, 请, 请给我, 有没有, 有, 吗, 呢, 吧, 啊, 了, 的话, 要, 想要, 找, 帮我, 帮我找, 买, 想买, 适合, 最好, 可以, 都, 都可以, 都行,
            就, 那, 这, 这个, 那个, 是, 在, 也, 还, 其他, 别的, 其它, 我的, 您, 你, 们, 我们, 拍, 拍摄, 拍的, 制作, 出品, 上映, 发行, 来点, 来些, 能, 能不能, 什么, 任何, 一点的, 些, 得, 地, 着, 过, 很, 非常, 特别, 比较, 好看, 好, 看的, 看过,
            给, 送, 送人, 用, 用的, 今晚, 今天, 现在, 外, 但要, 必须, 一定, 一定要, 需要, 求, 可否, 应该, 请问, 谢谢, 你好, 里面, 里, 中, 列表, 榜单, 推荐的, 会, 把, 对, 关于, 方面, 类, 类型的, 以, 为, 所, 被, 让, 让我, 哪些, 哪部, 电影院, 觉得, 真的, 真, 太, 超, 挺, 感觉, 时代, 时期, 期间, 类的, 系, 风格的, 吃, 搭, 些什么, 间, 所有, 全部, 出产, 产, 想找, 要求, 希望, 希望是, 算了, 然后, 另, 介绍, 几部, 几个, 卖, 再看看, 看看, 换成, 改成, 随便, 内容, 元素, 场面, 成分, 东西的, 一类, 选, 挑
            """
        ),
    },
    bound=spread(
        {
            "低于, 少于, 小于, 不到, 短于, 未满": "<",
            "不超过, 不高于, 最多, 至多, 不多于, 不大于, 不要超过, 别超过, 顶多, 不能超过, 不长于, 控制在": "<=",
            "高于, 超过, 多于, 大于, 长于, 超出": ">",
            "至少, 不低于, 最少, 不少于, 不小于, 起码, 不短于": ">=",
            "早于, 先于": "<",
            "晚于, 迟于": ">",
            "不早于, 自从, 自, 从": ">=",
            "不晚于, 不迟于, 截至, 截止到": "<=",
        }
    ),
    after=spread(
        {
            "以内, 之内, 内, 封顶, 为止, 以内的, 或更少, 或以下, 及以下, 或更早, 及以前, 或以前, 及以内": "<=",
            "以下, 以前, 之前, 前, 之下, 以下的": "<",
            "以上, 以来, 起, 开始, 往上, 起步, 或更多, 或以上, 及以上, 及以后, 或以后": ">=",
            "以后, 之后, 后, 之上": ">",
            "左右, 上下, 前后, 那样子, 左右的": "~",
        }
    ),
    than=spread(
        {
            "价格低一点, 价格低点, 价格低, 低价": ("price", "<"),
            "太老, 太老了, 太旧, 太旧了": ("year", ">"),
            "太新, 太新了": ("year", "<"),
            "太贵, 太贵了, 有点贵, 贵了": ("price", "<"),
            "太长, 太长了": ("duration", "<"),
            "太短, 太短了": ("duration", ">"),
            "更新, 更新一点, 新一点, 新一些, 更近, 更晚, 新, 更新一些, 再新一点, 晚, 更现代, 最新": ("year", ">"),
            "更老, 更旧, 老一点, 旧一点, 更早, 早, 老, 更老一点, 老一些, 更早一点, 再老一点, 更古老, 最老, 最早": ("year", "<"),
            "更便宜, 便宜一点, 便宜点, 便宜, 便宜些, 更便宜一点, 更实惠, 再便宜一点, 再便宜点, 便宜一些, 价格更低, 更低价, 更划算, 最便宜, 最实惠": ("price", "<"),
            "更贵, 贵一点, 贵, 更贵一点, 更高档, 贵一些, 贵点, 最贵": ("price", ">"),
            "更短, 短一点, 短, 短一些, 更短一点, 短点, 最短": ("duration", "<"),
            "更长, 长一点, 长, 长一些, 更长一点, 长点, 最长": ("duration", ">"),
            "评分更高, 评价更好, 更高分, 口碑更好, 评分高一点, 评价更高, 评分最高, 评价最好, 口碑最好": ("rating", ">"),
        }
    ),
    field=spread(
        {
            "年份, 上映于, 拍摄于, 出品于": ("year", None),
            "价格, 售价, 价钱, 单价, 价位, 花费": ("price", None),
            "预算, 我的预算, 预算是, 预算在": ("price", "<="),
            "评分, 评价, 打分, 得分, 口碑": ("rating", None),
            "片长, 时长, 长度": ("duration", None),
        }
    ),
    unit=spread(
        {
            "元, 块, 块钱, 人民币, 美元, 欧元, 美金, ¥, $, €, 英镑, £, 圆": ("price", 1.0),
            "小时, 个小时, 钟头, 个钟头, 个钟": ("duration", 60.0),
            "分钟, 分钟长": ("duration", 1.0),
            "星, 颗星, 星级, 分, ★": ("rating", 1.0),
            "年": ("year", 1.0),
        }
    ),
    number={phrase: float(value) for phrase, value in _NUMBERS.items()},
    ordinal={
        **{
            f"第{word}{measure}": int(value)
            for word, value in _NUMBERS.items()
            if 1 <= value <= 99 and value == int(value)
            for measure in ("", "部", "个", "件", "款", "名", "条")
        },
        **{f"第 {n} {measure}": n for n in range(1, 100) for measure in ("部", "个", "件", "款", "名", "条")},
        **{f"第 {n}": n for n in range(1, 100)},
        **{f"最后{m}": -1 for m in ("一部", "一个", "一件", "一款", "那部", "那个", "一条")},
    },
    decade=spread(
        {
            f"{word}十年代": year
            for word, year in zip("二三四五六七八九", range(1920, 2000, 10), strict=True)
        }
        | {"零零年代": 2000, "上世纪末": 1990}
    ),
    century=spread({"十九世纪": 1801, "19 世纪": 1801, "二十世纪, 上世纪, 上个世纪": 1901, "20 世纪": 1901, "二十一世纪, 本世纪, 这个世纪, 新世纪": 2001, "21 世纪": 2001}),
    part=spread({"早期, 初期, 初": (0, 3), "中期": (4, 6), "晚期, 后期, 末期, 末": (6, 9)}),
    relation=spread(
        {
            "导演, 执导, 导": ("导演",),
            "主演, 演员, 出演, 主角, 演": ("主演",),
            "编剧": ("编剧",),
            "品牌, 牌子, 牌": ("品牌",),
            "类别, 种类, 分类": ("类别",),
            "国家": ("国家",),
            "语言": ("语言",),
            "搭配, 配套, 配": ("搭配",),
            "替代, 代替": ("可替代",),
        }
    ),
    names=spread(
        {
            "喜剧, 喜剧片, 搞笑片": ("Comedy",),
            "剧情, 剧情片, 正剧": ("Drama",),
            "爱情, 爱情片, 浪漫片, 言情": ("Romance",),
            "犯罪, 犯罪片, 黑帮片, 警匪片, 黑帮, 警匪": ("Crime",),
            "惊悚, 惊悚片": ("Thriller",),
            "冒险, 冒险片, 探险": ("Adventure",),
            "动作, 动作片, 武打片, 功夫片": ("Action",),
            "战争, 战争片, 二战, 一战, 抗战": ("War",),
            "历史, 历史片": ("History",),
            "奇幻, 奇幻片, 魔幻, 魔幻片": ("Fantasy",),
            "科幻, 科幻片": ("Science Fiction", "Sci-Fi"),
            "悬疑, 悬疑片, 推理, 推理片, 侦探片": ("Mystery",),
            "恐怖, 恐怖片, 鬼片": ("Horror",),
            "传记, 传记片": ("Biography",),
            "动画, 动画片, 卡通, 动漫": ("Animation",),
            "音乐, 音乐片, 歌舞, 歌舞片": ("Music", "Musical"),
            "家庭, 家庭片, 全家, 儿童, 儿童片, 孩子": ("Family", "Children's"),
            "西部, 西部片": ("Western",),
            "纪录, 纪录片": ("Documentary",),
            "法国, 法国片": ("France",),
            "美国, 美国片, 好莱坞": ("United States",),
            "英国, 英国片": ("United Kingdom",),
            "日本, 日本片": ("Japan",),
            "中国, 国产, 国产片, 大陆, 华语, 华语片": ("China",),
            "香港, 港片, 香港片": ("Hong Kong",),
            "台湾, 台湾片": ("Taiwan",),
            "韩国, 韩国片": ("South Korea",),
            "德国, 德国片": ("Germany", "West Germany"),
            "意大利, 意大利片": ("Italy",),
            "印度, 印度片, 宝莱坞": ("India",),
            "苏联": ("Soviet Union",),
            "捷克": ("Czech Republic", "Czechoslovakia"),
            "普通话, 国语, 汉语": ("Mandarin",),
            "粤语": ("Cantonese",),
            "英文": ("English",), "法文": ("French",), "日文": ("Japanese",), "德文": ("German",), "韩文": ("Korean",), "西班牙文": ("Spanish",), "中文": ("Mandarin", "Cantonese", "Chinese"),
            "黑泽明": ("Akira Kurosawa",), "宫崎骏": ("Hayao Miyazaki",), "小津安二郎": ("Yasujiro Ozu",), "是枝裕和": ("Hirokazu Kore-eda",), "沟口健二": ("Kenji Mizoguchi",), "今村昌平": ("Shohei Imamura",), "北野武": ("Takeshi Kitano",), "三船敏郎": ("Toshiro Mifune",), "新海诚": ("Makoto Shinkai",), "今敏": ("Satoshi Kon",), "高畑勋": ("Isao Takahata",), "滨口龙介": ("Ryusuke Hamaguchi",),
            "王家卫": ("Wong Kar-wai",), "张艺谋": ("Zhang Yimou",), "李安": ("Ang Lee",), "贾樟柯": ("Jia Zhangke",), "陈凯歌": ("Chen Kaige",), "姜文": ("Jiang Wen",), "侯孝贤": ("Hou Hsiao-hsien",), "杨德昌": ("Edward Yang",), "蔡明亮": ("Tsai Ming-liang",), "吴宇森": ("John Woo",), "徐克": ("Tsui Hark",), "胡金铨": ("King Hu",), "周星驰": ("Stephen Chow",), "许鞍华": ("Ann Hui",), "冯小刚": ("Feng Xiaogang",),
            "梁朝伟": ("Tony Leung Chiu-wai",), "张曼玉": ("Maggie Cheung",), "刘德华": ("Andy Lau",), "巩俐": ("Gong Li",), "周润发": ("Chow Yun-fat",), "章子怡": ("Zhang Ziyi",), "张国荣": ("Leslie Cheung",), "成龙": ("Jackie Chan",), "李小龙": ("Bruce Lee",), "张震": ("Chang Chen",), "李连杰": ("Jet Li",), "林青霞": ("Brigitte Lin",), "赵涛": ("Zhao Tao",), "葛优": ("Ge You",), "甄子丹": ("Donnie Yen",), "杨紫琼": ("Michelle Yeoh",), "金城武": ("Takeshi Kaneshiro",),
            "奉俊昊": ("Bong Joon-ho",), "朴赞郁": ("Park Chan-wook",), "李沧东": ("Lee Chang-dong",), "宋康昊": ("Song Kang-ho",), "金基德": ("Kim Ki-duk",),
            "希区柯克": ("Alfred Hitchcock",), "斯皮尔伯格": ("Steven Spielberg",), "库布里克": ("Stanley Kubrick",), "斯科塞斯, 马丁·斯科塞斯": ("Martin Scorsese",), "诺兰, 克里斯托弗·诺兰": ("Christopher Nolan",), "昆汀, 塔伦蒂诺, 昆汀·塔伦蒂诺": ("Quentin Tarantino",), "卓别林": ("Charlie Chaplin",), "伯格曼": ("Ingmar Bergman",), "费里尼": ("Federico Fellini",), "戈达尔": ("Jean-Luc Godard",), "特吕弗": ("François Truffaut",), "塔可夫斯基": ("Andrei Tarkovsky",), "布努埃尔": ("Luis Buñuel",), "安东尼奥尼": ("Michelangelo Antonioni",), "阿莫多瓦": ("Pedro Almodóvar",), "科波拉": ("Francis Ford Coppola",), "大卫·林奇, 林奇": ("David Lynch",), "大卫·芬奇, 芬奇": ("David Fincher",), "卡梅隆": ("James Cameron",), "基耶斯洛夫斯基": ("Krzysztof Kieślowski",), "阿巴斯": ("Abbas Kiarostami",), "雷德利·斯科特": ("Ridley Scott",), "维伦纽瓦": ("Denis Villeneuve",), "韦斯·安德森": ("Wes Anderson",), "莱昂内": ("Sergio Leone",), "赫尔佐格": ("Werner Herzog",), "哈内克": ("Michael Haneke",),
            "德尼罗, 罗伯特·德尼罗": ("Robert De Niro",), "帕西诺, 阿尔·帕西诺": ("Al Pacino",), "汉克斯, 汤姆·汉克斯": ("Tom Hanks",), "莱昂纳多, 小李子": ("Leonardo DiCaprio",), "布拉德·皮特, 皮特": ("Brad Pitt",), "马龙·白兰度, 白兰度": ("Marlon Brando",), "哈里森·福特": ("Harrison Ford",), "凯特·温斯莱特": ("Kate Winslet",), "阿兰·德龙": ("Alain Delon",), "德纳芙": ("Catherine Deneuve",), "伊斯特伍德": ("Clint Eastwood",), "褒曼, 英格丽·褒曼": ("Ingrid Bergman",), "尼科尔森": ("Jack Nicholson",),
        }
    ),
    nearly=spread(
        {
            "搞笑, 好笑, 有趣, 幽默, 轻松, 欢乐, 逗, 开心, 治愈": ("Comedy",),
            "吓人, 可怕, 惊恐, 血腥恐怖": ("Horror",),
            "浪漫": ("Romance",),
            "暴力, 血腥, 残忍": ("Action", "War", "Horror", "Crime"),
            "黑暗, 阴暗, 暗黑, 压抑": ("Crime", "Thriller", "Horror"),
            "紧张, 刺激, 扣人心弦": ("Thriller",),
            "神秘, 烧脑": ("Mystery",),
            "感人, 悲伤, 催泪, 严肃, 悲": ("Drama",),
            "梦幻": ("Fantasy",),
        }
    ),
    gloss=spread({"暴力, 血腥, 残忍": "violent", "黑暗, 阴暗, 暗黑, 压抑": "dark", "搞笑, 好笑, 有趣, 幽默": "funny", "吓人, 可怕": "scary", "浪漫": "romantic"}),
    relation_first=False,
    article="{}{}",
    say={
        "yours": "你自己的口味",
        "everybody": "受众人喜爱",
        "like": "像{}",
        "wanted": "你想要的{}",
        "unwanted": "你不想要的{}",
        "less": "你想少一些的{}",
        "near": "“{}”按{}理解",
        "refused": "语言模型把“{}”理解为“{}”，图里没有，没有采用。",
        "no model": "语言模型没有给出可用的回答，请求按语法理解。",
        "not understood": "没有看懂：{}。",
        "no field": "图里没有{1}的{0}，所以没有考虑“{2}”。",
        "nothing": "图里没有同时符合这些而你还没有看过或买过的。",
        "without": "如果不要求“{}”，有{}个。",
        "fewer": "同时符合这些的只有{}个。",
        "no list": "还没有可以谈的列表，请先要一个。",
        "no place": "刚才的列表有{}项，没有第{}项。",
        "reset": "已忘掉刚才的要求。想要什么？",
        "obeys not": "它不符合“{}”",
        "seen": "你已经有过它了",
        "shut out": "它不在可以列给你的范围内",
        "in list": "{}在列表里，排第{}。",
        "why not": "{}不在列表里：{}。",
        "lower": "它的分数{:.2f}低于最后一项的{:.2f}",
        "and": "；",
        "quote": "《{}》",
        "year": "年份", "price": "价格", "duration": "时长", "rating": "评分",
        "cut": "请求只读了前{}个字符。",
        "or": "或",
        "chosen": "要求：{}。",
    },
)  # fmt: skip
